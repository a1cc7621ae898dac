package ai.lathe.compress.plan;

import ai.lathe.compress.layer.Level;
import ai.lathe.compress.quantization.Grid;
import ai.lathe.model.Address;
import ai.lathe.tensor.Encoding;
import java.util.Optional;

/**
 * A matrix that is yet to be planned.
 *
 * @param moduleClass as transformers calls it: {@code Linear}, {@code Embedding}
 */
record Slot(Address address, String name, String moduleClass, int rows, int columns) {

  boolean outside() {
    return address.block() == Address.OUTSIDE;
  }

  /** Its values stored as they are. */
  Plan.Entry stored(Encoding encoding, Optional<String> fallback) {
    return new Plan.Entry(
        address, name, rows, columns, encoding, Optional.empty(), Optional.empty(), fallback);
  }

  Plan.Entry solved(
      Encoding encoding, Level<?> level, Optional<Grid> grid, Optional<String> fallback) {
    return new Plan.Entry(
        address, name, rows, columns, encoding, Optional.of(level), grid, fallback);
  }
}
