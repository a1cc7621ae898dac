/**
 * Weights without their zeros in the order that kernels read them; shared by all ways of computing.
 */
package ai.lathe.runtime.kernel.sparse;
