package ai.lathe.compress.transform;

import ai.lathe.compress.quantization.Grid;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.View;
import java.util.Arrays;

/**
 * AWQ's clipping: for each row and group of a weight, the bound {@code c} that loses least when the
 * group is cut to {@code [-c, c]} and rounded:
 *
 * <pre>
 *   c = max|w| (1 - i/20), i = 0 .. 9      loss = d H_gg d^T, d = round(cut(w)) - w
 * </pre>
 *
 * {@code d H_gg d^T = ||d X_g||^2}, the error of what the group adds to its row's output, over all
 * calibration tokens.
 */
final class Clipping {

  private static final int CANDIDATES = 10;
  private static final float STEP = 1 / 20f;

  private final Matrix weight;
  private final Matrix gram;
  private final int size;
  private final int groups;
  private final double[] least;
  private final int[] chosen;
  private double unclipped;

  /**
   * @param weight {@code [out, in]}
   * @param gram {@code H [in, in]}
   */
  Clipping(Matrix weight, Grid grid, Matrix gram) {
    this.weight = weight;
    this.gram = gram;
    this.size = grid.groupSize(weight.columns());
    this.groups = weight.columns() / size;
    this.least = new double[weight.rows() * groups];
    this.chosen = new int[least.length];
    Arrays.fill(least, Double.POSITIVE_INFINITY);
    for (int candidate = 0; candidate < CANDIDATES; candidate++) {
      var all = new int[least.length];
      Arrays.fill(all, candidate);
      var difference = Rtn.round(cut(all), grid).decode();
      for (int i = 0; i < difference.values().length; i++) {
        difference.values()[i] -= weight.values()[i];
      }
      compare(difference, candidate);
      if (candidate == 0) {
        unclipped = Arrays.stream(least).sum();
      }
    }
  }

  private void compare(Matrix difference, int candidate) {
    for (int group = 0; group < groups; group++) {
      int from = group * size;
      int to = from + size;
      var product = Matrix.zeros(weight.rows(), size);
      Gemm.add(
          View.of(product),
          View.of(difference, 0, weight.rows(), from, to),
          View.of(gram, from, to, from, to));
      for (int row = 0; row < weight.rows(); row++) {
        double loss = 0;
        for (int j = 0; j < size; j++) {
          loss += (double) product.at(row, j) * difference.at(row, from + j);
        }
        int index = row * groups + group;
        if (loss < least[index]) {
          least[index] = loss;
          chosen[index] = candidate;
        }
      }
    }
  }

  /**
   * @param candidates by row and group
   */
  private Matrix cut(int[] candidates) {
    var result = weight.copy();
    var values = result.values();
    for (int index = 0; index < candidates.length; index++) {
      int from = index * size;
      float bound = 0;
      for (int i = from; i < from + size; i++) {
        bound = Math.max(bound, Math.abs(values[i]));
      }
      bound *= 1 - candidates[index] * STEP;
      for (int i = from; i < from + size; i++) {
        values[i] = Math.clamp(values[i], -bound, bound);
      }
    }
    return result;
  }

  /** The weight with every group cut to its best bound. */
  Matrix result() {
    return cut(chosen);
  }

  /** Share of groups that are cut. */
  double share() {
    return (double) Arrays.stream(chosen).filter(i -> i > 0).count() / chosen.length;
  }

  /** Sum of the groups' losses, of what it is without clipping. */
  double loss() {
    return unclipped == 0 ? 1 : Arrays.stream(least).sum() / unclipped;
  }
}
