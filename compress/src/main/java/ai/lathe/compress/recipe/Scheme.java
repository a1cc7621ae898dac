package ai.lathe.compress.recipe;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.FloatScheme;
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

  /** How a layer's input is rounded. */
  default Activations activations() {
    return Activations.NONE;
  }

  /** The same with inputs left in floating point. */
  default Scheme withoutActivations() {
    return this;
  }

  /** Integer codes with group or channel scales. */
  record Integers(IntegerScheme weights) implements Scheme {
    @Override
    public String label() {
      return weights.label();
    }

    @Override
    public Activations activations() {
      return weights.activations();
    }

    @Override
    public Scheme withoutActivations() {
      return new Integers(
          new IntegerScheme(
              weights.bits(), weights.groupSize(), weights.symmetric(), Activations.NONE));
    }

    @Override
    public Scheme withGroupSize(int size) {
      return new Integers(
          new IntegerScheme(weights.bits(), size, weights.symmetric(), weights.activations()));
    }
  }

  /** Small floats with scales: FP8, MXFP4, NVFP4. */
  record Floats(FloatScheme weights) implements Scheme {
    @Override
    public String label() {
      return weights.label();
    }

    @Override
    public Activations activations() {
      return weights.activations();
    }

    @Override
    public Scheme withoutActivations() {
      return new Floats(
          new FloatScheme(weights.type(), weights.tile(), weights.scale(), Activations.NONE));
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
