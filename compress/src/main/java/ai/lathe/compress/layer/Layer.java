package ai.lathe.compress.layer;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;

/**
 * A linear layer to compress.
 *
 * @param name as the checkpoint names it, for reports
 * @param weight {@code W [out, in]}; not to be changed
 */
public record Layer(String name, Matrix weight) {

  /**
   * Throws {@link LatheException} naming the first weight that is not a finite number: no scale can
   * be fitted to it, and one of them would spoil the whole layer.
   */
  public void requireFinite() {
    var values = weight.values();
    for (int i = 0; i < values.length; i++) {
      if (!Float.isFinite(values[i])) {
        throw new LatheException(
            "layer %s: weight [%d, %d] is %s; a layer to compress must have finite weights"
                .formatted(name, i / weight.columns(), i % weight.columns(), values[i]));
      }
    }
  }
}
