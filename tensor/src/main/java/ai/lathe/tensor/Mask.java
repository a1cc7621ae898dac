package ai.lathe.tensor;

import java.util.Arrays;

/** Which weights of a matrix are kept; the others are zero. Immutable. */
public final class Mask {

  private final int rows;
  private final int columns;
  private final int words;
  private final long[] bits;
  private final long[] before;

  /**
   * @param bits 1 where a weight is kept: {@code [rows * ceil(columns / 64)]}, each row beginning a
   *     word, its first input the lowest bit; 0 after its last input. Not to be changed any more
   */
  public Mask(int rows, int columns, long[] bits) {
    this.rows = rows;
    this.columns = columns;
    this.words = Math.ceilDiv(columns, 64);
    this.bits = bits;
    this.before = new long[rows + 1];
    if (bits.length != (long) rows * words) {
      throw new LatheException(
          "a mask of %d x %d has %d words".formatted(rows, columns, bits.length));
    }
    long outside = columns % 64 == 0 ? 0 : -1L << columns % 64;
    for (int row = 0; row < rows; row++) {
      long kept = 0;
      for (int i = row * words; i < (row + 1) * words; i++) {
        kept += Long.bitCount(bits[i]);
      }
      if ((bits[(row + 1) * words - 1] & outside) != 0) {
        throw new LatheException("row %d of a mask keeps inputs beyond its last".formatted(row));
      }
      before[row + 1] = before[row] + kept;
    }
  }

  /** Keeps what is not zero. */
  public static Mask of(Matrix matrix) {
    int words = Math.ceilDiv(matrix.columns(), 64);
    var bits = new long[matrix.rows() * words];
    for (int row = 0; row < matrix.rows(); row++) {
      for (int j = 0; j < matrix.columns(); j++) {
        if (matrix.at(row, j) != 0) {
          bits[row * words + (j >> 6)] |= 1L << j;
        }
      }
    }
    return new Mask(matrix.rows(), matrix.columns(), bits);
  }

  public int rows() {
    return rows;
  }

  public int columns() {
    return columns;
  }

  public boolean keeps(int row, int column) {
    return (bits[row * words + (column >> 6)] >>> column & 1) != 0;
  }

  /** Inputs {@code [64 word, 64 word + 64)} of a row, the first the lowest bit. */
  public long word(int row, int word) {
    return bits[row * words + word];
  }

  /** Words of a row. */
  public int words() {
    return words;
  }

  /** All weights that are kept. */
  public long kept() {
    return before[rows];
  }

  /** Weights that are kept in rows before this one; {@code row} may be {@link #rows}. */
  public long keptBefore(int row) {
    return before[row];
  }

  /** Weights of a row that are kept in inputs {@code [from, to)}. */
  public int kept(int row, int from, int to) {
    int kept = 0;
    for (int j = from; j < to; j = (j | 63) + 1) {
      long word = bits[row * words + (j >> 6)] & -1L << j;
      int end = Math.min(to, (j | 63) + 1);
      kept += Long.bitCount((end & 63) == 0 ? word : word & ~(-1L << end));
    }
    return kept;
  }

  /** Whether this is a set of zeros that the pattern allows. */
  public boolean follows(Pattern pattern) {
    if (pattern.refusal(rows, columns).isPresent()) {
      return false;
    }
    return switch (pattern) {
      case Pattern.Unstructured() -> true;
      case Pattern.SemiStructured(int kept, int of) -> {
        for (int row = 0; row < rows; row++) {
          for (int j = 0; j < columns; j += of) {
            if (kept(row, j, j + of) != kept) {
              yield false;
            }
          }
        }
        yield true;
      }
      case Pattern.Blocks(int high, int wide) -> {
        for (int row = 0; row < rows; row++) {
          for (int j = 0; j < columns; j += wide) {
            int kept = kept(row, j, j + wide);
            boolean first = keeps(row / high * high, j);
            if (kept != (first ? wide : 0)) {
              yield false;
            }
          }
        }
        yield true;
      }
    };
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Mask mask
        && rows == mask.rows
        && columns == mask.columns
        && Arrays.equals(bits, mask.bits);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bits);
  }

  @Override
  public String toString() {
    return "%d of %d x %d".formatted(kept(), rows, columns);
  }
}
