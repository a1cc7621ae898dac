package ai.lathe.compress.quantization;

import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.View;

/** How far a compressed layer's outputs are from the original's on the calibration inputs. */
public final class OutputError {

  private static final int ROWS = 512;
  private static final int COLUMNS = 512;

  private OutputError() {}

  /**
   * {@code ||(W - Q) X||^2 / ||W X||^2 = tr((W - Q) H (W - Q)^T) / tr(W H W^T)}; 0 where nothing is
   * lost, 1 where all is. NaN where {@code W X} is 0.
   *
   * @param gram {@code H [in, in]}, symmetric
   */
  public static double relative(Matrix weight, LinearWeight quantized, Matrix gram) {
    int n = weight.columns();
    double lost = 0;
    double total = 0;
    for (int from = 0; from < weight.rows(); from += ROWS) {
      int to = Math.min(from + ROWS, weight.rows());
      var original =
          new Matrix(to - from, n, java.util.Arrays.copyOfRange(weight.values(), from * n, to * n));
      var difference = Matrix.zeros(to - from, n);
      quantized.decodeRows(from, to, difference.values(), 0);
      for (int i = 0; i < difference.values().length; i++) {
        difference.values()[i] -= original.values()[i];
      }
      lost += energy(difference, gram);
      total += energy(original, gram);
    }
    return lost / total;
  }

  /**
   * {@code tr(D H D^T)}. For each block of columns b, with all columns a to the left of it, {@code
   * 2 D_a H_ab D_b^T + D_b H_bb D_b^T}: half the products of {@code D H}.
   */
  public static double energy(Matrix d, Matrix gram) {
    double sum = 0;
    for (double row : energies(d, gram)) {
      sum += row;
    }
    return sum;
  }

  /** Of each row: {@code d_i H d_i^T}. */
  public static double[] energies(Matrix d, Matrix gram) {
    var sums = new double[d.rows()];
    for (int from = 0; from < d.columns(); from += COLUMNS) {
      int to = Math.min(from + COLUMNS, d.columns());
      var block = View.of(d, 0, d.rows(), from, to);
      var product = Matrix.zeros(d.rows(), to - from);
      Gemm.add(
          View.of(product), View.of(d, 0, d.rows(), 0, from), View.of(gram, 0, from, from, to));
      for (int i = 0; i < product.values().length; i++) {
        product.values()[i] *= 2;
      }
      Gemm.add(View.of(product), block, View.of(gram, from, to, from, to));
      for (int i = 0; i < d.rows(); i++) {
        double row = 0;
        for (int j = from; j < to; j++) {
          row += (double) product.at(i, j - from) * d.at(i, j);
        }
        sums[i] += row;
      }
    }
    return sums;
  }
}
