/**
 * Blocks of smaller widths, after MoDeGPT: what pairs of matrices give together is approximated by
 * fewer inner features.
 */
package ai.lathe.compress.factorization.module;
