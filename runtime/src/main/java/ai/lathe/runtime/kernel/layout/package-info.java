/**
 * Weights of integer codes in the order that kernels read them, and the int8 inputs that they are
 * multiplied with; shared by all ways of computing.
 */
package ai.lathe.runtime.kernel.layout;
