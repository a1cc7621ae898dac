/** Weights that are made of others, run as what they are: products of factors, and sums. */
package ai.lathe.runtime.kernel.composite;
