package ai.lathe.tensor;

/** How a matrix is stored. Enough to know its exact number of bytes before any of it exists. */
public sealed interface Encoding {

  /** A short name for tables, for example {@code BF16}, {@code int4 g128}, {@code Q4_K}. */
  String label();

  /**
   * Bytes of the weight data of a {@code [rows, columns]} matrix: codes, scales and zero points;
   * names and headers excluded.
   */
  long bytes(int rows, int columns);

  /** How the layer's input is quantized where it is executed. */
  default Activations activations() {
    return Activations.NONE;
  }

  /** Elements one after the other. */
  record Plain(DType dtype) implements Encoding {
    @Override
    public String label() {
      return dtype.name();
    }

    @Override
    public long bytes(int rows, int columns) {
      return dtype.bytes((long) rows * columns);
    }
  }

  /**
   * Integer codes with a scale (and zero point) for each group of a row, as compressed-tensors
   * stores them: packed into 32-bit words where the input stays in floating point, one a byte where
   * the input is quantized too.
   *
   * @param groupIndex the group of each input is stored beside, 32 bits each, because groups are
   *     not consecutive inputs
   */
  record Grouped(IntegerScheme scheme, DType scaleType, boolean groupIndex) implements Encoding {

    /** Consecutive groups. */
    public Grouped(IntegerScheme scheme, DType scaleType) {
      this(scheme, scaleType, false);
    }

    @Override
    public String label() {
      return scheme.label();
    }

    @Override
    public Activations activations() {
      return scheme.activations();
    }

    @Override
    public long bytes(int rows, int columns) {
      long groups = scheme.groups(columns);
      boolean packed = scheme.activations() instanceof Activations.None;
      long codes = packed ? rows * words(columns) : (long) rows * columns;
      long zeros = scheme.symmetric() ? 0 : packed ? groups * words(rows) : rows * groups;
      return codes
          + rows * scaleType.bytes(groups)
          + zeros
          + (groupIndex ? 4L * columns : 0)
          + (scheme.activations().calibrated() ? 4 : 0);
    }

    /** Bytes of this many codes in 32-bit words. */
    private long words(int count) {
      return 4L * Math.ceilDiv((long) count * scheme.bits(), 32L);
    }
  }

  /** Self-contained blocks. */
  record Blocked(BlockType type) implements Encoding {
    @Override
    public String label() {
      return type.name();
    }

    @Override
    public long bytes(int rows, int columns) {
      return type.bytes(rows, columns);
    }
  }
}
