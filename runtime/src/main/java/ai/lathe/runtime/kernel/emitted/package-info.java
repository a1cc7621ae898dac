/**
 * Kernels as machine code for x86-64 with AVX-512, which Java writes itself when a model is opened:
 * no compiler, no native library. Where it cannot run, the other providers do the same work.
 */
package ai.lathe.runtime.kernel.emitted;
