package ai.lathe.compress.allocation;

import ai.lathe.model.Address;
import ai.lathe.tensor.LinearWeight;

/** Compressed layers to choose from, with their costs and losses. */
public interface LevelStore {

  /** The name of the level that leaves a layer as it is. */
  String ORIGINAL = "original";

  LevelTable table();

  /**
   * A layer at a level, as it will be written.
   *
   * @param level of {@link Option#level()}; {@link #ORIGINAL} gives the model's own
   */
  LinearWeight weight(Address address, String level);

  /**
   * Lets go of the memory that a block's mapped weights have come to occupy; they stay readable.
   */
  default void release(int block) {}
}
