/**
 * From logits to text: how a token is chosen, how text is streamed, which sequences share a batch,
 * and how a small model drafts for a large one.
 */
package ai.lathe.runtime.generation;
