/**
 * Dense linear algebra that layer solvers need, in float32 on the heap: products of parts of
 * matrices ({@link ai.lathe.tensor.linalg.Gemm}) and the triangular factor of an inverse ({@link
 * ai.lathe.tensor.linalg.Cholesky}). Results do not depend on the number of threads.
 */
package ai.lathe.tensor.linalg;
