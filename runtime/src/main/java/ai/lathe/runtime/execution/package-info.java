/**
 * Runs a model as its architecture describes it: embedding, blocks, head, over batches of
 * sequences.
 */
package ai.lathe.runtime.execution;
