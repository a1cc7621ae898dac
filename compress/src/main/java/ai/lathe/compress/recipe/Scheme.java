package ai.lathe.compress.recipe;

import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.IntegerScheme;

/** The numeric format that a linear layer is given. */
public sealed interface Scheme {

  /** For tables and reports. */
  String label();

  /** Integer codes with group or channel scales. */
  record Integers(IntegerScheme weights) implements Scheme {
    @Override
    public String label() {
      return weights.label();
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
