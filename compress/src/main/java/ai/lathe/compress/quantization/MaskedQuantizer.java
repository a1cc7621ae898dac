package ai.lathe.compress.quantization;

import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;

/**
 * Rounds the weights that a mask keeps, and the others as zero, which every integer grid has.
 *
 * @param size of a group, of consecutive inputs
 */
public record MaskedQuantizer(Quantizer inner, Mask mask, int size) implements Quantizer {

  @Override
  public void prepare(Matrix weight) {
    inner.prepare(weight);
  }

  /** To the weights as they will be, zeros and all. */
  @Override
  public void fit(int row, int group, float[] values, int at) {
    var pruned = new float[size];
    for (int i = 0; i < size; i++) {
      pruned[i] = mask.keeps(row, group * size + i) ? values[at + i] : 0;
    }
    inner.fit(row, group, pruned, 0);
  }

  @Override
  public int rowsTogether() {
    return inner.rowsTogether();
  }

  @Override
  public void settle(int from, int to, int group) {
    inner.settle(from, to, group);
  }

  @Override
  public float round(int row, int column, float weight) {
    return inner.round(row, column, mask.keeps(row, column) ? weight : 0);
  }

  @Override
  public LinearWeight finish() {
    return inner.finish();
  }
}
