package ai.lathe.compress.transform;

import ai.lathe.compress.layer.Level;
import ai.lathe.compress.quantization.Grid;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.tensor.Encoding;
import java.util.Optional;

/**
 * What will be done to a matrix after it was transformed.
 *
 * @param encoding how it will be stored
 * @param level what computes it; empty where its values are stored as they are
 * @param grid that the level rounds to, where it has one
 */
public record Treatment(Encoding encoding, Optional<Level<?>> level, Optional<Grid> grid) {

  /** Whether it keeps the compressed form that it has, and so cannot take other values. */
  boolean fixed() {
    return level.isEmpty() && !(encoding instanceof Encoding.Plain);
  }

  /** Whether each weight is rounded by itself, without a look at the others. */
  boolean roundedToNearest() {
    return level.isPresent() && level.get().solver() instanceof Rtn;
  }
}
