package ai.lathe.compress.quantization;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Parallel;

/**
 * One layer and all that GPTQ's sweep over its columns needs, whichever quantizer it rounds with.
 * Any rows may be swept any number of times.
 */
public final class ColumnSweep {

  private final Matrix weight;
  private final Matrix upper;
  private final int[] order;
  private final boolean[] dead;
  private final Gptq.Config config;
  private final int groupSize;
  private final Matrix w;

  /**
   * Where the factor has no {@code U}, it is the identity: nothing is fed back, and each weight is
   * rounded to nearest.
   */
  public ColumnSweep(Matrix weight, InverseFactor factor, Gptq.Config config) {
    this.weight = weight;
    this.order = factor.order();
    this.upper = factor.upper().orElseGet(() -> InverseFactor.identity(order.length));
    this.dead = new boolean[order.length];
    for (int input : factor.dead()) {
      dead[input] = factor.upper().isPresent();
    }
    this.config = config;
    this.groupSize = config.grid().groupSize(order.length);
    this.w = Matrix.zeros(weight.rows(), order.length);
  }

  /** The grid's, ready to be fitted. */
  public Quantizer quantizer() {
    int[] groupIndex = null;
    if (config.order() == ColumnOrder.GROUP) {
      groupIndex = new int[order.length];
      for (int position = 0; position < order.length; position++) {
        groupIndex[order[position]] = position / groupSize;
      }
    }
    // Not weighed by importance: error feedback makes up for it (figures.md has the numbers).
    var quantizer = config.grid().quantizer(weight.rows(), order.length, groupIndex, null);
    quantizer.prepare(weight);
    return quantizer;
  }

  /** Quantizes rows {@code [first, last)}, which begin and end where the quantizer permits. */
  public void run(Quantizer quantizer, int first, int last) {
    int n = order.length;
    Parallel.forEach(
        last - first,
        i -> {
          int row = (first + i) * n;
          for (int position = 0; position < n; position++) {
            int j = order[position];
            w.values()[row + position] = dead[j] ? 0 : weight.values()[row + j];
          }
        });
    boolean inSweep = config.order() != ColumnOrder.STATIC;
    if (!inSweep) {
      Rtn.fit(weight, first, last, groupSize, quantizer);
    }
    Gptq.sweep(
        w, first, last, upper, order, quantizer, config.blockSize(), inSweep ? groupSize : 0);
  }

  /** {@code U_jj} by input. */
  float[] pivots() {
    var pivots = new float[order.length];
    for (int position = 0; position < order.length; position++) {
      pivots[order[position]] = upper.at(position, position);
    }
    return pivots;
  }

  /** {@code U_jj} of the members of the first group, the second, and so on, as they are fitted. */
  float[] pivotsByGroup() {
    if (config.order() == ColumnOrder.STATIC) {
      return pivots();
    }
    var pivots = new float[order.length];
    for (int position = 0; position < order.length; position++) {
      pivots[position] = upper.at(position, position);
    }
    return pivots;
  }
}
