package ai.lathe.compress.pruning;

import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.tensor.linalg.View;

/**
 * The scales of a quantized row that bring its outputs nearest to the original's, codes and zero
 * points as they are: with {@code p_g} the codes of group {@code g} less its zero point, {@code sum
 * of s_g p_g} is nearest to {@code w} under {@code H} where {@code (p_g^T H p_h) s = p_g^T H w}.
 */
final class ScaleFit {

  /** Added to the diagonal, as a share of it: groups that say the same thing have no one answer. */
  private static final double RIDGE = 1e-6;

  private ScaleFit() {}

  /**
   * @param weight {@code W [out, in]}
   * @param gram {@code H [in, in]}
   * @param rounded on the grid, in consecutive groups
   * @param mask keeps whole groups; the others are not looked at
   * @return the same, or another with other scales where that leaves less of a row's error
   */
  static GroupQuantized of(
      Matrix weight, Matrix gram, GroupQuantized rounded, Mask mask, IntegerGrid grid) {
    int rows = weight.rows();
    int n = weight.columns();
    int groups = grid.scheme().groups(n);
    var target = Matrix.zeros(rows, n);
    Gemm.add(View.of(target), View.of(weight), View.of(gram));
    var scales = rounded.scales().toFloats();
    Parallel.forEach(rows, row -> row(row, gram, rounded, mask, grid, target, scales, groups));
    return grid.weight(rows, n, rounded.codes(), scales, rounded.zeros(), null);
  }

  private static void row(
      int row,
      Matrix gram,
      GroupQuantized rounded,
      Mask mask,
      IntegerGrid grid,
      Matrix target,
      float[] scales,
      int groups) {
    int n = gram.columns();
    int size = grid.groupSize(n);
    var kept = new int[groups];
    int count = 0;
    var p = new float[n];
    for (int g = 0; g < groups; g++) {
      boolean any = false;
      int zero = rounded.zeros() == null ? 0 : rounded.zeros()[row * groups + g];
      for (int j = g * size; j < (g + 1) * size && mask.keeps(row, g * size); j++) {
        p[j] = rounded.codes()[row * n + j] - zero;
        any |= p[j] != 0;
      }
      if (any) {
        kept[count++] = g;
      }
    }
    var normal = new double[count][count];
    var right = new double[count];
    var old = new double[count];
    var product = new double[n];
    for (int a = 0; a < count; a++) {
      int from = kept[a] * size;
      old[a] = scales[row * groups + kept[a]];
      java.util.Arrays.fill(product, 0);
      for (int j = from; j < from + size; j++) {
        right[a] += (double) p[j] * target.at(row, j);
        for (int k = 0; k <= from + size - 1; k++) {
          product[k] += (double) p[j] * gram.at(j, k);
        }
      }
      for (int b = 0; b <= a; b++) {
        for (int k = kept[b] * size; k < (kept[b] + 1) * size; k++) {
          normal[a][b] += product[k] * p[k];
        }
        normal[b][a] = normal[a][b];
      }
    }
    var fitted = solved(normal, right);
    for (int a = 0; a < count; a++) {
      boolean usable = Double.isFinite(fitted[a]) && fitted[a] * old[a] > 0;
      fitted[a] = usable ? grid.stored((float) fitted[a]) : old[a];
    }
    if (cost(normal, right, fitted) < cost(normal, right, old)) {
      for (int a = 0; a < count; a++) {
        scales[row * groups + kept[a]] = (float) fitted[a];
      }
    }
  }

  /** {@code s^T N s - 2 s^T r}: the error but for a constant. */
  private static double cost(double[][] normal, double[] right, double[] s) {
    double cost = 0;
    for (int a = 0; a < s.length; a++) {
      cost -= 2 * s[a] * right[a];
      for (int b = 0; b < s.length; b++) {
        cost += s[a] * normal[a][b] * s[b];
      }
    }
    return cost;
  }

  /** By Cholesky's factorisation; NaN where there is none. */
  private static double[] solved(double[][] normal, double[] right) {
    int n = right.length;
    var l = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double sum = normal[i][j] * (i == j ? 1 + RIDGE : 1);
        for (int k = 0; k < j; k++) {
          sum -= l[i][k] * l[j][k];
        }
        l[i][j] = i == j ? Math.sqrt(sum) : sum / l[j][j];
      }
    }
    var x = new double[n];
    for (int i = 0; i < n; i++) {
      x[i] = right[i];
      for (int k = 0; k < i; k++) {
        x[i] -= l[i][k] * x[k];
      }
      x[i] /= l[i][i];
    }
    for (int i = n - 1; i >= 0; i--) {
      for (int k = i + 1; k < n; k++) {
        x[i] -= l[k][i] * x[k];
      }
      x[i] /= l[i][i];
    }
    return x;
  }
}
