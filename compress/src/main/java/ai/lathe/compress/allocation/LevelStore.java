package ai.lathe.compress.allocation;

import ai.lathe.model.Address;
import ai.lathe.tensor.LinearWeight;

/** Compressed layers to choose from, with their costs and losses. */
public interface LevelStore {

  LevelTable table();

  /**
   * A layer at a level, as it will be written.
   *
   * @param level of {@link Option#level()}; that of the original gives the original
   */
  LinearWeight weight(Address address, String level);
}
