package ai.lathe.compress.factorization;

import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Cut;
import ai.lathe.tensor.linalg.Parallel;

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
  private final float[] means;

  RocketBasis(Spectrum spectrum) {
    coordinates = spectrum.coordinates();
    lengths = new float[spectrum.s().length];
    means = new float[lengths.length];
    var right = spectrum.right();
    for (int i = 0; i < lengths.length; i++) {
      double sum = 0;
      for (int j = 0; j < right.columns(); j++) {
        sum += (double) right.at(i, j) * right.at(i, j);
      }
      // U^T W = S (V^T T^-1): without a singular value there is no coefficient to weigh.
      lengths[i] = spectrum.s()[i] > 0 ? (float) (Math.sqrt(sum) / spectrum.s()[i]) : 0;
      means[i] = (float) Math.sqrt(lengths[i]);
    }
  }

  /** {@code W T [out, p]} in the basis. */
  Matrix coordinates() {
    return coordinates;
  }

  /**
   * Of each row those with the greatest geometric mean of both losses, as many in each; then, of
   * all that are left, 0.5 % (and what the rows do not divide) with the greatest loss of weights.
   */
  Coefficients sparsified(DictionarySize size) {
    int rows = size.rows();
    int atoms = size.atoms();
    long readmitted = Math.round(READMITTED * rows * atoms);
    int each = (int) Math.max(0, (size.kept() - (size.dense() ? 0 : readmitted)) / rows);
    var left = Matrix.zeros(rows, atoms);
    int words = Math.ceilDiv(atoms, 64);
    var bits = new long[Math.multiplyExact(rows, words)];
    Parallel.forEach(rows, row -> select(row, each, left, bits, words));
    readmit(size.kept() - (long) each * rows, left, bits, words);
    var mask = new Mask(rows, atoms, bits);
    var values = Matrix.zeros(rows, atoms);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < atoms; j++) {
        values.set(i, j, mask.keeps(i, j) ? coordinates.at(i, j) : 0);
      }
    }
    return new Coefficients(values, mask);
  }

  /**
   * @param left takes what weights lose by each that is not kept, and -1 for others
   */
  private void select(int row, int each, Matrix left, long[] bits, int words) {
    int atoms = left.columns();
    var scores = new float[atoms];
    for (int i = 0; i < atoms; i++) {
      scores[i] = Math.abs(coordinates.at(row, i)) * means[i];
    }
    var cut = Cut.of(atoms - each, scores, 0, atoms);
    long ties = each == atoms ? 0 : cut.ties();
    for (int i = 0; i < atoms; i++) {
      boolean zero =
          each < atoms
              && (scores[i] < cut.threshold() || scores[i] == cut.threshold() && ties-- > 0);
      if (zero) {
        left.set(row, i, Math.abs(coordinates.at(row, i)) * lengths[i]);
      } else {
        left.set(row, i, -1);
        bits[row * words + (i >> 6)] |= 1L << i;
      }
    }
  }

  private static void readmit(long count, Matrix left, long[] bits, int words) {
    if (count == 0) {
      return;
    }
    var candidates = new float[left.values().length];
    int found = 0;
    for (float loss : left.values()) {
      if (loss >= 0) {
        candidates[found++] = loss;
      }
    }
    var cut = Cut.of(found - count, candidates, 0, found);
    long ties = found == count ? 0 : cut.ties();
    for (int i = 0; i < left.values().length; i++) {
      float loss = left.values()[i];
      boolean stays =
          found > count && (loss < cut.threshold() || loss == cut.threshold() && ties-- > 0);
      if (loss >= 0 && !stays) {
        int row = i / left.columns();
        int column = i % left.columns();
        bits[row * words + (column >> 6)] |= 1L << column;
      }
    }
  }
}
