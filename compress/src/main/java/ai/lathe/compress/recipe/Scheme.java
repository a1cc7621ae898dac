package ai.lathe.compress.recipe;

import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;

/** The numeric format that a linear layer is given. */
public sealed interface Scheme {

  /** For tables and reports. */
  String label();

  /**
   * The same with another group size; {@link IntegerScheme#CHANNEL} for one scale a row.
   *
   * @throws LatheException where its group size is part of what it is
   */
  default Scheme withGroupSize(int size) {
    throw new LatheException("the group size of " + label() + " is part of its format");
  }

  /** Integer codes with group or channel scales. */
  record Integers(IntegerScheme weights) implements Scheme {
    @Override
    public String label() {
      return weights.label();
    }

    @Override
    public Scheme withGroupSize(int size) {
      return new Integers(
          new IntegerScheme(weights.bits(), size, weights.symmetric(), weights.activations()));
    }
  }

  /** Self-contained blocks, as GGUF stores them. */
  record Blocks(BlockType type) implements Scheme {
    @Override
    public String label() {
      return type.name();
    }
  }
}
