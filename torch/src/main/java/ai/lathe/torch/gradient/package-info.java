/**
 * Gradients of a whole model by its weight matrices, of any architecture: what the Fisher
 * information that second-order pruning needs is summed from.
 */
package ai.lathe.torch.gradient;
