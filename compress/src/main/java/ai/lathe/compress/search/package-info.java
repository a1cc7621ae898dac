/**
 * Whole allocations measured on the model, and the search that follows such measurements.
 *
 * <p>{@link ai.lathe.compress.search.ModelFitness} runs candidates on LibTorch; what they have in
 * common, from the first block on, is run once.
 */
package ai.lathe.compress.search;
