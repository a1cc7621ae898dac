package ai.lathe.compress.layer;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.Optional;

/**
 * Statistics of a layer's input, shared by all layers that read the same input.
 *
 * @param tokens calibration tokens seen; 0 without calibration
 * @param gram {@code H = X X^T [in, in]}, undamped; empty where no solver asked for it
 * @param squaredNorm {@code [in]}, the diagonal of {@code H}; empty where nobody asked for any
 *     statistic
 */
public record LayerStatistics(long tokens, Optional<Matrix> gram, Optional<float[]> squaredNorm) {

  public static final LayerStatistics NONE =
      new LayerStatistics(0, Optional.empty(), Optional.empty());

  public static LayerStatistics of(long tokens, Matrix gram) {
    var diagonal = new float[gram.rows()];
    for (int i = 0; i < diagonal.length; i++) {
      diagonal[i] = gram.at(i, i);
    }
    return new LayerStatistics(tokens, Optional.of(gram), Optional.of(diagonal));
  }

  /**
   * Throws {@link LatheException} naming the layer where an input was not a finite number, which
   * shows on the diagonal: {@code H_jj} is the sum of its squares.
   */
  public void requireFinite(String layer) {
    squaredNorm.ifPresent(
        diagonal -> {
          for (int j = 0; j < diagonal.length; j++) {
            if (!Float.isFinite(diagonal[j])) {
              throw new LatheException(
                  "layer %s: input %d is NaN or infinite on some calibration token"
                      .formatted(layer, j));
            }
          }
        });
  }
}
