package ai.lathe.compress.factorization;

import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;

/**
 * The sparse factor of {@code C D}.
 *
 * @param values {@code C [out, atoms]}; 0 where they are not kept
 * @param mask which are kept
 */
record Coefficients(Matrix values, Mask mask) {}
