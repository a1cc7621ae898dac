package ai.lathe.tensor;

import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

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

  /**
   * Codes of a small floating type, a byte or half a byte each, with a scale for each tile.
   *
   * @param scaleType {@code F8_E8M0} or {@code F8_E4M3} where the scheme's scales are such numbers
   */
  record Floats(FloatScheme scheme, DType scaleType) implements Encoding {

    public Floats {
      boolean fits =
          switch (scheme.scale()) {
            case FLOAT ->
                scaleType == DType.F32 || scaleType == DType.BF16 || scaleType == DType.F16;
            case E8M0 -> scaleType == DType.F8_E8M0;
            case E4M3_GLOBAL -> scaleType == DType.F8_E4M3;
          };
      if (!fits) {
        throw new LatheException(
            "the scales of " + scheme.label() + " cannot be stored as " + scaleType);
      }
    }

    /**
     * @param plain type of scales that are plain numbers
     */
    public static Floats of(FloatScheme scheme, DType plain) {
      return new Floats(
          scheme,
          switch (scheme.scale()) {
            case FLOAT -> plain;
            case E8M0 -> DType.F8_E8M0;
            case E4M3_GLOBAL -> DType.F8_E4M3;
          });
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
      var tile = scheme.tile();
      long scales = scaleType.bytes((long) tile.down(rows) * tile.across(columns));
      return rows * Math.ceilDiv((long) columns * scheme.type().bits(), 8L)
          + scales
          + (scheme.global() ? 4 : 0)
          + (scheme.activations().calibrated() ? 4 : 0);
    }
  }

  /**
   * Another encoding of {@code W Hb}, for inputs rotated in blocks.
   *
   * @param size inputs of a Hadamard block
   */
  record Rotated(int size, Encoding inner) implements Encoding {
    @Override
    public String label() {
      return inner.label() + " rotated " + size;
    }

    @Override
    public Activations activations() {
      return inner.activations();
    }

    @Override
    public long bytes(int rows, int columns) {
      return inner.bytes(rows, columns);
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

  /**
   * Small blocks of weights, each a sum of entries of codebooks, as {@link CodebookQuantized} holds
   * them: codes of exactly as many bits as their codebook needs, where these are not whole bytes
   * rounded up to 32-bit words at the end of a row of blocks; codebooks and scales in float16.
   *
   * @param outGroup rows of a block; the last block row is padded
   * @param inGroup columns of a block
   * @param bits of the codes of each codebook, 1 to 16: it has {@code 2^bits} entries
   * @param scaled a scale for each row of blocks
   */
  record Codebooks(int outGroup, int inGroup, List<Integer> bits, boolean scaled)
      implements Encoding {

    /** Enough for any layout in use, and small enough that no product here can overflow. */
    private static final int LARGEST_BLOCK = 64;

    private static final int MOST_CODEBOOKS = 8;

    public Codebooks {
      bits = List.copyOf(bits);
      if (outGroup < 1 || inGroup < 1 || (long) outGroup * inGroup > LARGEST_BLOCK) {
        throw new LatheException(
            "blocks of codebooks have 1 to %d weights, not %d x %d"
                .formatted(LARGEST_BLOCK, outGroup, inGroup));
      }
      if (bits.isEmpty() || bits.size() > MOST_CODEBOOKS) {
        throw new LatheException(
            "a weight has 1 to " + MOST_CODEBOOKS + " codebooks, not " + bits.size());
      }
      if (bits.stream().anyMatch(width -> width < 1 || width > 16)) {
        throw new LatheException("codes of codebooks have 1 to 16 bits, not " + bits);
      }
    }

    /** Weights of a block. */
    public int blockSize() {
      return outGroup * inGroup;
    }

    public int blockRows(int rows) {
      return Math.ceilDiv(rows, outGroup);
    }

    /** Throws {@link LatheException} where blocks do not divide the row. */
    public int blockColumns(int columns) {
      if (columns % inGroup != 0) {
        throw new LatheException(
            "blocks of %d do not divide rows of %d".formatted(inGroup, columns));
      }
      return columns / inGroup;
    }

    /** Bits of all codes of a block. */
    public int codeBits() {
      return bits.stream().mapToInt(Integer::intValue).sum();
    }

    /** Bytes of codebooks. */
    public long codebookBytes() {
      return bits.stream().mapToLong(width -> 2L * blockSize() << width).sum();
    }

    /** Bytes of scales. */
    public long scaleBytes(int rows) {
      return scaled ? 2L * blockRows(rows) : 0;
    }

    /** {@code vptq v6 k4096}, {@code vptq v4 k256+16}, {@code aqlm 2x8 g8}. */
    @Override
    public String label() {
      if (scaled) {
        var width = bits.getFirst();
        var shape = outGroup == 1 ? "g" + inGroup : "g" + outGroup + "x" + inGroup;
        return bits.stream().allMatch(width::equals)
            ? "aqlm %dx%d %s".formatted(bits.size(), width, shape)
            : "aqlm %s %s".formatted(joined(UnaryOperator.identity()), shape);
      }
      var length = inGroup == 1 ? "v" + outGroup : "v" + outGroup + "x" + inGroup;
      return "vptq %s k%s".formatted(length, joined(bit -> 1 << bit));
    }

    private String joined(UnaryOperator<Integer> number) {
      return bits.stream()
          .map(width -> number.apply(width).toString())
          .collect(Collectors.joining("+"));
    }

    /** 32-bit words of the codes of a row of blocks. */
    public long words(int columns) {
      return Math.ceilDiv((long) blockColumns(columns) * codeBits(), 32L);
    }

    /** Whether codes are stored one a number, of 8 or 16 bits each, as AQLM's own files have it. */
    public boolean wholeBytes() {
      return scaled && bits.stream().distinct().count() == 1 && bits.getFirst() % 8 == 0;
    }

    @Override
    public long bytes(int rows, int columns) {
      long row = wholeBytes() ? (long) blockColumns(columns) * codeBits() / 8 : 4 * words(columns);
      return blockRows(rows) * row + scaleBytes(rows) + codebookBytes();
    }
  }
}
