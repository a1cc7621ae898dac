/**
 * Training a small decoder from text, from the byte-pair vocabulary to the checkpoint: how the
 * model that comes with Lathe was made.
 */
package ai.lathe.torch.train;
