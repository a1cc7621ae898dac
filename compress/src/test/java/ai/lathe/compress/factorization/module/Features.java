package ai.lathe.compress.factorization.module;

import static ai.lathe.compress.layer.RandomLayers.gaussian;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.View;

/** Random features that hang together, and what is computed of them. */
final class Features {

  private Features() {}

  /** {@code [n, tokens]}: noise, and {@code rank} directions that are ten times as strong. */
  static Matrix related(int n, int tokens, int rank, long seed) {
    var x = gaussian(n, tokens, seed);
    var mix = gaussian(n, rank, seed + 1);
    for (int i = 0; i < mix.values().length; i++) {
      mix.values()[i] *= 10;
    }
    Gemm.add(View.of(x), View.of(mix), View.of(gaussian(rank, tokens, seed + 2)));
    return x;
  }

  static Matrix gram(Matrix x) {
    var gram = Matrix.zeros(x.rows(), x.rows());
    Gemm.add(View.of(gram), View.of(x), View.of(x).transposed());
    return gram;
  }

  static Matrix product(Matrix a, Matrix b) {
    var product = Matrix.zeros(a.rows(), b.columns());
    Gemm.add(View.of(product), View.of(a), View.of(b));
    return product;
  }

  static Matrix rows(Matrix x, int... kept) {
    var rows = Matrix.zeros(kept.length, x.columns());
    for (int i = 0; i < kept.length; i++) {
      System.arraycopy(
          x.values(), kept[i] * x.columns(), rows.values(), i * x.columns(), x.columns());
    }
    return rows;
  }

  static Matrix columns(Matrix x, int... kept) {
    var columns = Matrix.zeros(x.rows(), kept.length);
    for (int i = 0; i < x.rows(); i++) {
      for (int j = 0; j < kept.length; j++) {
        columns.set(i, j, x.at(i, kept[j]));
      }
    }
    return columns;
  }

  /** Squared distance, over the squared length of the first. */
  static double error(Matrix a, Matrix b) {
    var difference = a.copy();
    for (int i = 0; i < b.values().length; i++) {
      difference.values()[i] -= b.values()[i];
    }
    return energy(difference) / energy(a);
  }

  /** Squared length. */
  static double energy(Matrix m) {
    double sum = 0;
    for (float value : m.values()) {
      sum += (double) value * value;
    }
    return sum;
  }
}
