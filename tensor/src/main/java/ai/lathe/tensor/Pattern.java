package ai.lathe.tensor;

import java.util.Optional;

/** Which sets of zeros a sparse weight may have. */
public sealed interface Pattern {

  Pattern UNSTRUCTURED = new Unstructured();

  /** Any. */
  record Unstructured() implements Pattern {
    @Override
    public String label() {
      return "unstructured";
    }

    @Override
    public Optional<String> refusal(int rows, int columns) {
      return Optional.empty();
    }

    @Override
    public long kept(int rows, int columns, double sparsity) {
      return keptOf((long) rows * columns, sparsity);
    }

    @Override
    public long maskBytes(int rows, int columns) {
      return rows * Math.ceilDiv(columns, 8L);
    }
  }

  /**
   * {@code kept} of every {@code of} consecutive inputs of a row are kept, for example 2:4.
   *
   * @param kept at least 1, fewer than {@code of}
   * @param of at most 64
   */
  record SemiStructured(int kept, int of) implements Pattern {

    public SemiStructured {
      if (kept < 1 || kept >= of || of > 64) {
        throw new LatheException(
            "%d:%d is no pattern: n:m keeps n of every m inputs, 1 <= n < m <= 64, as 2:4 does"
                .formatted(kept, of));
      }
    }

    /** The share of zeros, which follows from the pattern. */
    public double sparsity() {
      return 1 - (double) kept / of;
    }

    @Override
    public String label() {
      return kept + ":" + of;
    }

    @Override
    public Optional<String> refusal(int rows, int columns) {
      return columns % of == 0
          ? Optional.empty()
          : Optional.of("%s does not divide rows of %d".formatted(label(), columns));
    }

    @Override
    public long kept(int rows, int columns, double sparsity) {
      return (long) rows * columns / of * kept;
    }

    @Override
    public long maskBytes(int rows, int columns) {
      return rows * Math.ceilDiv(columns, 8L);
    }
  }

  /**
   * Blocks of {@code rows x columns} weights are kept or not as a whole.
   *
   * @param rows outputs of a block
   * @param columns inputs of a block
   */
  record Blocks(int rows, int columns) implements Pattern {

    /** More would be another method: structured pruning. */
    private static final int LARGEST = 4096;

    public Blocks {
      if (rows < 1 || columns < 1 || (long) rows * columns > LARGEST) {
        throw new LatheException(
            "blocks have 1 to %d weights, not %d x %d".formatted(LARGEST, rows, columns));
      }
    }

    @Override
    public String label() {
      return rows + "x" + columns;
    }

    @Override
    public Optional<String> refusal(int rows, int columns) {
      return rows % this.rows == 0 && columns % this.columns == 0
          ? Optional.empty()
          : Optional.of(
              "blocks of %s do not divide a matrix of %d x %d".formatted(label(), rows, columns));
    }

    @Override
    public long kept(int rows, int columns, double sparsity) {
      long size = (long) this.rows * this.columns;
      return keptOf((long) rows * columns / size, sparsity) * size;
    }

    @Override
    public long maskBytes(int rows, int columns) {
      return (rows / this.rows) * Math.ceilDiv(columns / this.columns, 8L);
    }
  }

  /** As {@code --pattern} takes it: {@code unstructured}, {@code 2:4}, {@code 4x1}. */
  String label();

  /** Why a matrix cannot have it, in half a sentence; empty where it can. */
  Optional<String> refusal(int rows, int columns);

  /**
   * Weights that stay.
   *
   * @param sparsity the share of zeros; without meaning where the pattern determines it
   */
  long kept(int rows, int columns, double sparsity);

  /** Bytes of what is stored of which weights stay: a bit each, or each block; rows in bytes. */
  long maskBytes(int rows, int columns);

  private static long keptOf(long total, double sparsity) {
    return total - Math.round(total * sparsity);
  }

  /** Reads a {@link #label}; what is none is a {@link LatheException}. */
  static Pattern parse(String text) {
    if (text.equals(UNSTRUCTURED.label())) {
      return UNSTRUCTURED;
    }
    var numbers = java.util.regex.Pattern.compile("(\\d{1,4})([:x])(\\d{1,4})").matcher(text);
    if (!numbers.matches()) {
      throw new LatheException(
          "'%s' is no pattern: n:m keeps n of every m inputs (2:4), RxC is blocks of R outputs and C inputs (4x1), or unstructured"
              .formatted(text));
    }
    int first = Integer.parseInt(numbers.group(1));
    int second = Integer.parseInt(numbers.group(3));
    return numbers.group(2).equals(":")
        ? new SemiStructured(first, second)
        : new Blocks(first, second);
  }
}
