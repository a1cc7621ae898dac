/**
 * What methods that compress one linear layer at a time have in common: the layer, the statistics
 * of its input, the solver's interface and its answer.
 */
package ai.lathe.compress.layer;
