package ai.lathe.tensor;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
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

  /** Whether a scale of the layer's input is stored with it, which calibration has to find. */
  default boolean calibratesInput() {
    return activations().calibrated();
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
      long codes = packed ? rows * words(columns, scheme.bits()) : (long) rows * columns;
      long zeros =
          scheme.symmetric() ? 0 : packed ? groups * words(rows, scheme.bits()) : rows * groups;
      return codes
          + rows * scaleType.bytes(groups)
          + zeros
          + (groupIndex ? 4L * columns : 0)
          + (scheme.activations().calibrated() ? 4 : 0);
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

  /**
   * SpQR's dense part: unsigned codes with a scale and a zero point for each group of a row, and
   * those themselves as codes, with a float16 scale and zero point for each {@code tall} rows of a
   * group.
   *
   * @param bits of a code, 2 to 8
   * @param groupSize inputs of a row that share a scale and a zero point
   * @param scaleBits of a scale's code, 1 to 8
   * @param zeroBits of a zero point's code, 1 to 8
   * @param tall consecutive rows whose scales, and zero points, share a scale and a zero point
   * @param permuted inputs are stored in another order, 16 bits each
   * @see <a href="https://arxiv.org/abs/2306.03078">Dettmers et al., SpQR, 2023</a>
   */
  record Bilevel(int bits, int groupSize, int scaleBits, int zeroBits, int tall, boolean permuted)
      implements Encoding {

    /** Inputs that 16 bits can number. */
    public static final int COLUMNS = 1 << 16;

    public Bilevel {
      if (bits < 2 || bits > 8) {
        throw new LatheException("bilevel codes have 2 to 8 bits, not " + bits);
      }
      if (scaleBits < 1 || scaleBits > 8 || zeroBits < 1 || zeroBits > 8) {
        throw new LatheException(
            "scales and zero points of the first level have 1 to 8 bits, not %d and %d"
                .formatted(scaleBits, zeroBits));
      }
      if (groupSize < 1 || tall < 1) {
        throw new LatheException(
            "a bilevel group has at least one input and one row, not %d and %d"
                .formatted(groupSize, tall));
      }
    }

    public int groups(int columns) {
      return Math.ceilDiv(columns, groupSize);
    }

    /** Sets of rows that share the second level. */
    public int tiles(int rows) {
      return Math.ceilDiv(rows, tall);
    }

    @Override
    public String label() {
      return "int%d g%d bilevel".formatted(bits, groupSize);
    }

    @Override
    public long bytes(int rows, int columns) {
      long groups = groups(columns);
      return rows * words(columns, bits)
          + groups * (words(rows, scaleBits) + words(rows, zeroBits))
          + 4 * 2 * groups * tiles(rows)
          + (permuted ? 2L * columns : 0);
    }
  }

  /**
   * Rows of (column, value) pairs, compressed sparse rows: a 16-bit column and a 16-bit value each,
   * and where each row begins. How many pairs there is room for follows from the shape.
   *
   * @param share of the weights that there is room for, 0 to 1
   * @param values {@code F16} or {@code BF16}
   */
  record SparseRows(double share, DType values) implements Encoding {

    /** Inputs that 16 bits can number. */
    public static final int COLUMNS = 1 << 16;

    public SparseRows {
      if (!(share >= 0 && share <= 1)) {
        throw new LatheException("a share of weights is from 0 to 1, not " + share);
      }
      if (values != DType.F16 && values != DType.BF16) {
        throw new LatheException("sparse values are F16 or BF16, not " + values);
      }
    }

    /** Pairs that there is room for. */
    public int capacity(int rows, int columns) {
      return (int) (share * rows * columns);
    }

    @Override
    public String label() {
      return percent(share) + " sparse";
    }

    @Override
    public long bytes(int rows, int columns) {
      return 4L * capacity(rows, columns) + 4L * (rows + 1);
    }
  }

  /**
   * A sign for each weight times a matrix of low rank, whose two factors are float16.
   *
   * @param rank columns of the first factor
   */
  record SignedLowRank(int rank) implements Encoding {

    public SignedLowRank {
      if (rank < 1) {
        throw new LatheException("a rank is at least 1, not " + rank);
      }
    }

    @Override
    public String label() {
      return "sign * rank " + rank;
    }

    @Override
    public long bytes(int rows, int columns) {
      return Math.ceilDiv((long) rows * columns, 8L) + 2L * rank * ((long) rows + columns);
    }
  }

  /**
   * Weights of which only those that a mask keeps are stored. The mask is a bit for each weight, or
   * for each block where the pattern is blocks.
   *
   * @param sparsity share of zeros; how many that is follows from the shape
   * @param values of the weights that are kept: {@link Plain}, or {@link Grouped} with consecutive
   *     groups
   */
  record Sparse(Pattern pattern, double sparsity, Encoding values) implements Encoding {

    public Sparse {
      if (!(sparsity >= 0 && sparsity <= 1)) {
        throw new LatheException("sparsity is a share from 0 to 1, not " + sparsity);
      }
      if (pattern instanceof Pattern.SemiStructured fixed && sparsity != fixed.sparsity()) {
        throw new LatheException(
            "%s leaves a sparsity of %s, not %s"
                .formatted(pattern.label(), fixed.sparsity(), sparsity));
      }
      if (!(values instanceof Plain)
          && !(values instanceof Grouped(_, _, boolean groupIndex) && !groupIndex)) {
        throw new LatheException("weights of " + values.label() + " cannot be stored sparsely");
      }
    }

    /** With exactly so many zeros of all. */
    public static Sparse withZeros(Pattern pattern, long zeros, long all, Encoding values) {
      return new Sparse(
          pattern,
          pattern instanceof Pattern.SemiStructured fixed ? fixed.sparsity() : (double) zeros / all,
          values);
    }

    /** Weights of a {@code [rows, columns]} matrix that are stored. */
    public long kept(int rows, int columns) {
      return pattern.kept(rows, columns, sparsity);
    }

    /** {@code 2:4 BF16}, {@code 50% sparse int8 channel}, {@code 80% sparse 16x4 BF16}. */
    @Override
    public String label() {
      return switch (pattern) {
        case Pattern.SemiStructured fixed -> fixed.label() + " " + values.label();
        case Pattern.Unstructured _ -> "%s sparse %s".formatted(percent(sparsity), values.label());
        case Pattern.Blocks blocks ->
            "%s sparse %s %s".formatted(percent(sparsity), blocks.label(), values.label());
      };
    }

    @Override
    public Activations activations() {
      return values.activations();
    }

    /** Whether blocks are whole groups of a row: then only groups that are kept have a scale. */
    public boolean scalesOfKeptGroups() {
      return pattern instanceof Pattern.Blocks(int high, int wide)
          && high == 1
          && values instanceof Grouped(IntegerScheme scheme, _, _)
          && scheme.groupSize() != IntegerScheme.CHANNEL
          && wide % scheme.groupSize() == 0;
    }

    /** Groups that have a scale. */
    public long groups(int rows, int columns) {
      return values instanceof Grouped(IntegerScheme scheme, _, _)
          ? scalesOfKeptGroups()
              ? kept(rows, columns) / scheme.groupSize()
              : (long) rows * scheme.groups(columns)
          : 0;
    }

    @Override
    public long bytes(int rows, int columns) {
      long kept = kept(rows, columns);
      long groups = groups(rows, columns);
      return pattern.maskBytes(rows, columns)
          + switch (values) {
            case Plain(DType type) -> type.bytes(kept);
            case Grouped(IntegerScheme scheme, DType scales, _) ->
                Math.ceilDiv(kept * scheme.bits(), 8L)
                    + scales.bytes(groups)
                    + (scheme.symmetric() ? 0 : groups)
                    + (scheme.activations().calibrated() ? 4 : 0);
            default -> throw new IllegalStateException(values.label());
          };
    }
  }

  /**
   * A product of matrices.
   *
   * @param factors from the output's to the input's, at least two
   * @param inner rows of each factor but the first
   */
  record Product(List<Encoding> factors, List<Integer> inner) implements Encoding {

    public Product {
      factors = List.copyOf(factors);
      inner = List.copyOf(inner);
      if (factors.size() < 2 || inner.size() != factors.size() - 1) {
        throw new LatheException(
            "a product of %d factors has %d sizes between them"
                .formatted(factors.size(), inner.size()));
      }
    }

    /** Whether its last factor is stored with another weight. */
    public boolean shares() {
      return factors.getLast() instanceof Shared;
    }

    /**
     * The same with the last factor of another weight.
     *
     * @param owner module that stores it
     */
    public Product sharedWith(String owner) {
      var all = new ArrayList<>(factors);
      all.set(all.size() - 1, new Shared(owner, all.getLast()));
      return new Product(all, inner);
    }

    /** {@code rank 32 F16} of two plain factors, else all of them. */
    @Override
    public String label() {
      return factors.size() == 2 && factors.stream().allMatch(Plain.class::isInstance)
          ? "rank %d %s".formatted(inner.getFirst(), factors.getFirst().label())
          : factors.stream().map(Encoding::label).collect(Collectors.joining(" * "));
    }

    @Override
    public long bytes(int rows, int columns) {
      long bytes = 0;
      for (int i = 0; i < factors.size(); i++) {
        int above = i == 0 ? rows : inner.get(i - 1);
        int below = i == inner.size() ? columns : inner.get(i);
        bytes += factors.get(i).bytes(above, below);
      }
      return bytes;
    }
  }

  /**
   * The last factor of a product that is the last factor of another one too, and stored there.
   *
   * @param owner module that stores it; its own, so that nothing refers in circles
   * @param stored how
   */
  record Shared(String owner, Encoding stored) implements Encoding {

    public Shared {
      if (stored instanceof Shared) {
        throw new LatheException("what is shared is stored somewhere, and not shared again");
      }
    }

    @Override
    public String label() {
      return "shared " + stored.label();
    }

    @Override
    public Activations activations() {
      return stored.activations();
    }

    /** None of its own. */
    @Override
    public long bytes(int rows, int columns) {
      return 0;
    }
  }

  /**
   * Square blocks along the diagonal of a square matrix.
   *
   * @param size of a block, which divides the matrix
   */
  record BlockDiagonal(int size, DType type) implements Encoding {

    public BlockDiagonal {
      if (size < 1) {
        throw new LatheException("a block has at least one row, not " + size);
      }
    }

    @Override
    public String label() {
      return "diagonal %dx%d %s".formatted(size, size, type.name());
    }

    @Override
    public long bytes(int rows, int columns) {
      if (rows != columns || rows % size != 0) {
        throw new LatheException(
            "blocks of %d do not make a matrix of %d x %d".formatted(size, rows, columns));
      }
      return type.bytes((long) rows * size);
    }
  }

  /**
   * Small blocks that act on one index of a grid of three; the two sizes of the others, 32 bits
   * each, are stored beside, and of codes how many blocks there are along each.
   *
   * @param outer size of the first index
   * @param inner size of the last index
   * @param ofOuter whether each value of the first index has blocks of its own
   * @param ofInner likewise of the last
   * @param blocks how the rows of all blocks are stored: {@link Plain}, or {@link Grouped} with
   *     consecutive groups
   * @see ModeMatrix
   */
  record Mode(int outer, int inner, boolean ofOuter, boolean ofInner, Encoding blocks)
      implements Encoding {

    public Mode {
      if (outer < 1 || inner < 1) {
        throw new LatheException(
            "a grid has at least one place, not %d x %d".formatted(outer, inner));
      }
    }

    /** {@code mode 4x1 F16}; in brackets where one block acts along an index. */
    @Override
    public String label() {
      return "mode %sx%s %s".formatted(size(outer, ofOuter), size(inner, ofInner), blocks.label());
    }

    private static String size(int size, boolean own) {
      return own || size == 1 ? "" + size : "(" + size + ")";
    }

    /** How many blocks are stored. */
    public long count() {
      return (ofOuter ? outer : 1L) * (ofInner ? inner : 1L);
    }

    /** Rows of a block, or columns, for those of the matrix. */
    public int side(int whole) {
      long others = (long) outer * inner;
      if (whole % others != 0) {
        throw new LatheException(
            "a grid of %d x %d does not divide %d".formatted(outer, inner, whole));
      }
      return (int) (whole / others);
    }

    @Override
    public long bytes(int rows, int columns) {
      int sizes = blocks instanceof Plain ? 2 : 4;
      return blocks.bytes(Math.toIntExact(count() * side(rows)), side(columns))
          + (long) sizes * Integer.BYTES;
    }
  }

  /**
   * The sum of several weights of one shape.
   *
   * @param parts at least one
   */
  record Sum(List<Encoding> parts) implements Encoding {

    public Sum {
      parts = List.copyOf(parts);
      if (parts.isEmpty()) {
        throw new LatheException("a sum has at least one part");
      }
    }

    /** Each part rounds the input for itself. */
    @Override
    public boolean calibratesInput() {
      return parts.stream().anyMatch(Encoding::calibratesInput);
    }

    @Override
    public String label() {
      return parts.size() > 1 && parts.stream().distinct().count() == 1
          ? parts.size() + " x " + parts.getFirst().label()
          : parts.stream().map(Encoding::label).collect(Collectors.joining(" + "));
    }

    @Override
    public long bytes(int rows, int columns) {
      return parts.stream().mapToLong(part -> part.bytes(rows, columns)).sum();
    }
  }

  private static String percent(double share) {
    return new BigDecimal(100 * share)
            .round(new MathContext(3))
            .stripTrailingZeros()
            .toPlainString()
        + "%";
  }

  /** Bytes of this many codes in 32-bit words. */
  private static long words(int count, int bits) {
    return 4L * Math.ceilDiv((long) count * bits, 32L);
  }
}
