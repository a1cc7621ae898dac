package ai.lathe.tensor;

/** Integers in {@code [-2^(bits-1), 2^(bits-1) - 1]}. */
public record IntegerType(int bits) implements ElementType {

  public static final IntegerType INT4 = new IntegerType(4);
  public static final IntegerType INT8 = new IntegerType(8);

  public IntegerType {
    if (bits < 2 || bits > 8) {
      throw new LatheException("integers have 2 to 8 bits, not " + bits);
    }
  }

  public int min() {
    return -(1 << bits - 1);
  }

  public int max() {
    return (1 << bits - 1) - 1;
  }

  @Override
  public float reach() {
    return (max() - min()) / 2f;
  }

  @Override
  public String label() {
    return "int" + bits;
  }
}
