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

  /** Integer codes with a scale (and zero point) for each group of a row. */
  record Grouped(IntegerScheme scheme, DType scaleType) implements Encoding {
    @Override
    public String label() {
      return scheme.label();
    }

    @Override
    public long bytes(int rows, int columns) {
      long groups = scheme.groups(columns);
      long codes =
          scheme.bits() == 8
              ? (long) rows * columns
              : 4L * rows * Math.ceilDiv((long) columns * scheme.bits(), 32L);
      long zeros =
          scheme.symmetric()
              ? 0
              : scheme.bits() == 8
                  ? rows * groups
                  : 4L * groups * Math.ceilDiv((long) rows * scheme.bits(), 32L);
      return codes + rows * groups * scaleType.bits() / 8 + zeros;
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
