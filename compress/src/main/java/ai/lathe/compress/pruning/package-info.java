/**
 * One-shot pruning: which weights of a layer become zero, and what the others become to make up for
 * it. Built-in methods stand in {@link ai.lathe.compress.pruning.Pruners}.
 */
package ai.lathe.compress.pruning;
