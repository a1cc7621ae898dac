package ai.lathe.runtime.kernel.sparse;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import ai.lathe.runtime.kernel.memory.Pages;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Rows of floats without their zeros, whatever the pattern of these: a bit for each weight says
 * whether it is there, and those that are there stand one after the other, row after row without
 * gaps.
 *
 * <p><b>Order.</b> Of 16-bit types, whole blocks of {@link #BLOCK} columns have columns {@code i}
 * and {@code 16 + i} side by side, bits and values alike. So a vector of 32 of them, spread out, is
 * 16 lanes of 32 bits whose lower halves are the first 16 columns and whose upper halves the other
 * 16, and no value has to change its lane to become a float32. Columns behind the last whole block,
 * and float32 everywhere, are in their own order.
 *
 * @param type F32, BF16 or F16
 * @param masks {@code [rows][maskBytes]}, the lowest bit first
 * @param values what is there; {@link #SLACK} bytes behind the last one may be read
 * @param starts {@code [rows + 1]} int64: which value is the first of a row, and of one more
 */
public record MaskedRows(
    DType type,
    int rows,
    int columns,
    MemorySegment masks,
    MemorySegment values,
    MemorySegment starts) {

  /** Columns that change their order together. */
  public static final int BLOCK = 32;

  /** A vector is read from where its values begin, however few they are. */
  public static final int SLACK = 64;

  private static final int EVEN = 0x55555555;

  /**
   * @param weight of floats
   * @param arena of the result
   */
  public static MaskedRows of(Sparse weight, Arena arena) {
    var kept = ((Sparse.Values.Floats) weight.values()).kept();
    var mask = weight.mask();
    int rows = weight.rows();
    int columns = weight.columns();
    int maskBytes = maskBytes(columns);
    var type = kept.dtype();
    var masks = Pages.allocate((long) rows * maskBytes, arena);
    var values = Pages.allocate(type.bytes(mask.kept()) + SLACK, arena);
    var starts = arena.allocate(JAVA_LONG, rows + 1L);
    boolean floats = type == DType.F32;
    if (floats) {
      MemorySegment.copy(kept.data(), 0, values, 0, type.bytes(mask.kept()));
    }
    for (int row = 0; row < rows; row++) {
      starts.setAtIndex(JAVA_LONG, row, mask.keptBefore(row));
      long next = mask.keptBefore(row);
      for (int block = 0; block < Math.ceilDiv(columns, BLOCK); block++) {
        int bits = (int) (mask.word(row, block / 2) >>> BLOCK * (block & 1));
        boolean whole = !floats && (block + 1) * BLOCK <= columns;
        int order = whole ? interleaved(bits) : bits;
        masks.set(JAVA_INT_UNALIGNED, (long) row * maskBytes + 4L * block, order);
        if (!floats) {
          copy(kept, next, bits, order, whole, values);
        }
        next += Integer.bitCount(bits);
      }
    }
    starts.setAtIndex(JAVA_LONG, rows, mask.kept());
    return new MaskedRows(type, rows, columns, masks, values, starts);
  }

  /** Bit {@code i} to {@code 2 i}, bit {@code 16 + i} to {@code 2 i + 1}. */
  private static int interleaved(int bits) {
    return Integer.expand(bits, EVEN) | Integer.expand(bits >>> 16, ~EVEN);
  }

  private static void copy(
      Tensor kept, long first, int bits, int order, boolean whole, MemorySegment values) {
    long to = first;
    for (int left = order; left != 0; left &= left - 1) {
      int bit = Integer.numberOfTrailingZeros(left);
      int column = whole ? column(bit) : bit;
      long from = first + Integer.bitCount(bits & (1 << column) - 1);
      short value = kept.data().get(JAVA_SHORT_UNALIGNED, 2 * from);
      values.set(JAVA_SHORT_UNALIGNED, 2 * to++, value);
    }
  }

  /** Of a whole block's bit, in 16-bit types. */
  private static int column(int bit) {
    return bit / 2 + BLOCK / 2 * (bit & 1);
  }

  private static int maskBytes(int columns) {
    return Math.ceilDiv(columns, BLOCK) * Integer.BYTES;
  }

  /** Bytes of a row's mask. */
  public int maskBytes() {
    return maskBytes(columns);
  }

  /** Which value is the first of a row; {@code row} may be {@link #rows}. */
  public long start(int row) {
    return starts.getAtIndex(JAVA_LONG, row);
  }

  /** What one pass over all rows reads. */
  public long bytes() {
    return (long) rows * maskBytes() + Long.BYTES * (rows + 1L) + type.bytes(start(rows));
  }

  /** The share of weights that are there. */
  public double density() {
    return start(rows) / ((double) rows * columns);
  }

  public String label() {
    return "%s, %.0f %% of them by a mask".formatted(type, 100 * density());
  }

  /**
   * Decodes columns {@code [from, to)} of a row.
   *
   * @param from a multiple of {@link #BLOCK}
   * @param target from {@code at}
   */
  public void decode(int row, int from, int to, float[] target, int at) {
    long mask = (long) row * maskBytes();
    long next = before(row, from / BLOCK);
    Arrays.fill(target, at, at + to - from, 0);
    for (int first = from; first < to; first += BLOCK) {
      boolean turned = type != DType.F32 && first + BLOCK <= columns;
      int left = masks.get(JAVA_INT_UNALIGNED, mask + first / 8);
      for (; left != 0; left &= left - 1) {
        int bit = Integer.numberOfTrailingZeros(left);
        int column = first + (turned ? column(bit) : bit);
        if (column < to) {
          target[at + column - from] = value(next);
        }
        next++;
      }
    }
  }

  /** Which value is the first of a row's block; counted from the nearer end of the row. */
  private long before(int row, int block) {
    long mask = (long) row * maskBytes();
    int blocks = maskBytes() / Integer.BYTES;
    if (block < blocks / 2) {
      long next = start(row);
      for (int b = 0; b < block; b++) {
        next += Integer.bitCount(masks.get(JAVA_INT_UNALIGNED, mask + 4L * b));
      }
      return next;
    }
    long next = start(row + 1);
    for (int b = block; b < blocks; b++) {
      next -= Integer.bitCount(masks.get(JAVA_INT_UNALIGNED, mask + 4L * b));
    }
    return next;
  }

  private float value(long index) {
    return switch (type) {
      case F32 -> values.get(JAVA_FLOAT_UNALIGNED, index * Float.BYTES);
      case BF16 -> Float.intBitsToFloat(values.get(JAVA_SHORT_UNALIGNED, 2 * index) << 16);
      default -> Float.float16ToFloat(values.get(JAVA_SHORT_UNALIGNED, 2 * index));
    };
  }
}
