package ai.lathe.compress.factorization;

import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Cut;
import ai.lathe.tensor.linalg.Parallel;
import java.util.Arrays;

/**
 * What ROCKET makes zero: the coefficients {@code V = U S} of the singular basis in which {@code W
 * T} has them, and what each counts.
 *
 * <p>Atom {@code i} is a vector of length 1 where errors are those of outputs, and of length {@code
 * b_i} as a row of weights. {@code |V_ri|} is therefore what is lost of outputs, and {@code |V_ri|
 * b_i} what is lost of weights, where {@code V_ri} becomes zero.
 */
final class RocketBasis {

  /** Of all positions, those that come back because the weights miss them most. */
  private static final double READMITTED = 0.005;

  private final Matrix coordinates;
  private final float[] lengths;

  /** Of each row, its columns by falling score. */
  private final int[] order;

  RocketBasis(Spectrum spectrum) {
    coordinates = spectrum.coordinates();
    lengths = new float[spectrum.s().length];
    var right = spectrum.right();
    for (int i = 0; i < lengths.length; i++) {
      double sum = 0;
      for (int j = 0; j < right.columns(); j++) {
        sum += (double) right.at(i, j) * right.at(i, j);
      }
      // U^T W = S (V^T T^-1): without a singular value there is no coefficient to weigh.
      lengths[i] = spectrum.s()[i] > 0 ? (float) (Math.sqrt(sum) / spectrum.s()[i]) : 0;
    }
    order = order();
  }

  /** {@code W T [out, p]} in the basis. */
  Matrix coordinates() {
    return coordinates;
  }

  /**
   * By {@code |V_ri| sqrt(b_i)}, the geometric mean of both losses; of equal ones the first go
   * first. One sort serves every number of atoms.
   */
  private int[] order() {
    int width = coordinates.columns();
    var sorted = new int[coordinates.values().length];
    Parallel.forEach(
        coordinates.rows(),
        row -> {
          var keys = new long[width];
          for (int i = 0; i < width; i++) {
            float score = Math.abs(coordinates.at(row, i)) * (float) Math.sqrt(lengths[i]);
            // Bits of floats that are not negative rise as they do.
            keys[i] = (long) -Float.floatToIntBits(score) << 32 | i;
          }
          Arrays.sort(keys);
          for (int i = 0; i < width; i++) {
            sorted[row * width + i] = (int) keys[i];
          }
        });
    return sorted;
  }

  /**
   * Of each row those with the greatest geometric mean of both losses, as many in each; then, of
   * all that are left, 0.5 % (and what the rows do not divide) with the greatest loss of weights.
   */
  Coefficients sparsified(DictionarySize size) {
    int rows = size.rows();
    int atoms = size.atoms();
    long readmitted = size.dense() ? 0 : Math.round(READMITTED * rows * atoms);
    int each = (int) Math.max(0, (size.kept() - readmitted) / rows);
    var values = Matrix.zeros(rows, atoms);
    int words = Math.ceilDiv(atoms, 64);
    var bits = new long[Math.multiplyExact(rows, words)];
    int width = coordinates.columns();
    Parallel.forEach(
        rows,
        row -> {
          for (int n = row * width, kept = 0; kept < each; n++) {
            if (order[n] < atoms) {
              keep(row, order[n], values, bits);
              kept++;
            }
          }
        });
    readmit(size.kept() - (long) each * rows, values, bits);
    return new Coefficients(values, new Mask(rows, atoms, bits));
  }

  private void keep(int row, int atom, Matrix values, long[] bits) {
    bits[row * Math.ceilDiv(values.columns(), 64) + (atom >> 6)] |= 1L << atom;
    values.set(row, atom, coordinates.at(row, atom));
  }

  private void readmit(long count, Matrix values, long[] bits) {
    if (count == 0) {
      return;
    }
    int atoms = values.columns();
    var losses = new float[values.values().length];
    int left = 0;
    for (int row = 0; row < values.rows(); row++) {
      for (int i = 0; i < atoms; i++) {
        if (!kept(row, i, atoms, bits)) {
          losses[left++] = loss(row, i);
        }
      }
    }
    long zeros = left - count;
    var cut = Cut.of(zeros, losses, 0, left);
    long ties = cut.ties();
    for (int row = 0; row < values.rows(); row++) {
      for (int i = 0; i < atoms; i++) {
        if (!kept(row, i, atoms, bits)) {
          float loss = loss(row, i);
          boolean stays =
              zeros > 0 && (loss < cut.threshold() || loss == cut.threshold() && ties-- > 0);
          if (!stays) {
            keep(row, i, values, bits);
          }
        }
      }
    }
  }

  private static boolean kept(int row, int atom, int atoms, long[] bits) {
    return (bits[row * Math.ceilDiv(atoms, 64) + (atom >> 6)] >>> atom & 1) != 0;
  }

  /** What the weights lose where it is zero. */
  private float loss(int row, int atom) {
    return Math.abs(coordinates.at(row, atom)) * lengths[atom];
  }
}
