package ai.lathe.runtime.kernel.attention;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;

/**
 * Keys and values as plain floats. A page holds for each head {@code [key size, POSITIONS]} keys,
 * so that scores of many positions are computed side by side, then {@code [POSITIONS, value size]}
 * values.
 *
 * <p>Float16 is read by the processor's own conversion, which the compiler makes of the loop in
 * {@link #halves}. Shifting a half's bits into a float and multiplying by {@code 2^112} would be no
 * faster here, and where a half is subnormal, as values below 6e-5 are, the product is computed in
 * microcode, thirty times slower.
 *
 * @param type F16, BF16 or F32
 */
public record FloatKeyValues(DType type, int heads, int keySize, int valueSize)
    implements KeyValueLayout {

  /** Tokens from which on keys are turned before they are written. */
  private static final int MANY = 8;

  /** Rows of one head, as they come, turned, and rounded. */
  private static final class Block {
    private float[] rows = {};
    private float[] turned = {};
    private short[] codes = {};

    private void reserve(int n) {
      if (rows.length < n) {
        rows = new float[n];
        turned = new float[n];
        codes = new short[n];
      }
    }

    private void read(Heads from, int token, int count, int head, int size) {
      for (int t = 0; t < count; t++) {
        long at = from.at(token + t, head) * Float.BYTES;
        MemorySegment.copy(from.memory(), JAVA_FLOAT, at, rows, t * size, size);
      }
    }
  }

  private static final ThreadLocal<Block> BLOCK = ThreadLocal.withInitial(Block::new);

  public FloatKeyValues {
    if (type != DType.F16 && type != DType.BF16 && type != DType.F32) {
      throw new LatheException("keys and values are kept in F16, BF16 or F32, not in " + type);
    }
    if (heads < 1 || keySize < 1 || valueSize < 1) {
      throw new IllegalArgumentException(heads + " heads of " + keySize + " and " + valueSize);
    }
  }

  @Override
  public long bytes() {
    return heads * headBytes();
  }

  @Override
  public String label() {
    return switch (type) {
      case F16 -> "float16";
      case BF16 -> "bfloat16";
      default -> "float32";
    };
  }

  /** Where a head's keys begin, in bytes. */
  public long keysAt(int head) {
    return head * headBytes();
  }

  /** Where a head's values begin, in bytes. */
  public long valuesAt(int head) {
    return keysAt(head) + keyBytes();
  }

  private long keyBytes() {
    return type.bytes((long) POSITIONS * keySize);
  }

  private long headBytes() {
    return type.bytes((long) POSITIONS * (keySize + valueSize));
  }

  @Override
  public boolean store(
      Heads keys, Heads values, int token, int count, int head, MemorySegment page, int position) {
    var block = BLOCK.get();
    int n = count * valueSize;
    block.reserve(count * Math.max(keySize, valueSize));
    block.read(values, token, count, head, valueSize);
    boolean fits = round(block.rows, n, block.codes);
    long at = valuesAt(head) + type.bytes((long) position * valueSize);
    write(block.rows, block.codes, 0, n, page, at);
    n = count * keySize;
    block.read(keys, token, count, head, keySize);
    at = keysAt(head) + type.bytes(position);
    if (count < MANY) {
      fits &= round(block.rows, n, block.codes);
      scatter(block, count, page, at);
      return fits;
    }
    turn(block.rows, count, keySize, block.turned);
    fits &= round(block.turned, n, block.codes);
    int run = count == POSITIONS ? n : count;
    for (int from = 0; from < n; from += run, at += type.bytes(POSITIONS)) {
      write(block.turned, block.codes, from, run, page, at);
    }
    return fits;
  }

  /** Features of each token, a row of the page apart. */
  private void scatter(Block block, int count, MemorySegment page, long at) {
    for (int t = 0; t < count; t++) {
      for (int i = 0; i < keySize; i++) {
        int from = t * keySize + i;
        int to = i * POSITIONS + t;
        if (type == DType.F32) {
          page.set(JAVA_FLOAT_UNALIGNED, at + 4L * to, block.rows[from]);
        } else {
          page.set(JAVA_SHORT_UNALIGNED, at + 2L * to, block.codes[from]);
        }
      }
    }
  }

  /** {@code [count][size]} to {@code [size][count]}. */
  private static void turn(float[] rows, int count, int size, float[] turned) {
    for (int t = 0; t < count; t++) {
      int from = t * size;
      for (int i = 0; i < size; i++) {
        turned[i * count + t] = rows[from + i];
      }
    }
  }

  /** To 16 bits, where the type has so many; whether all are numbers, also in this type. */
  private boolean round(float[] x, int n, short[] codes) {
    int largest = 0;
    switch (type) {
      case F16 -> {
        for (int i = 0; i < n; i++) {
          codes[i] = Float.floatToFloat16(x[i]);
        }
        for (int i = 0; i < n; i++) {
          largest = Math.max(largest, codes[i] & 0x7fff);
        }
        return largest < 0x7c00;
      }
      case BF16 -> {
        for (int i = 0; i < n; i++) {
          codes[i] = (short) (rounded(Float.floatToRawIntBits(x[i])) >>> 16);
        }
        for (int i = 0; i < n; i++) {
          largest = Math.max(largest, codes[i] & 0x7fff);
        }
        return largest < 0x7f80;
      }
      default -> {
        for (int i = 0; i < n; i++) {
          largest = Math.max(largest, Float.floatToRawIntBits(x[i]) & 0x7fffffff);
        }
        return largest < 0x7f800000;
      }
    }
  }

  private void write(float[] x, short[] codes, int from, int n, MemorySegment page, long at) {
    if (type == DType.F32) {
      MemorySegment.copy(x, from, page, JAVA_FLOAT, at, n);
    } else {
      MemorySegment.copy(codes, from, page, JAVA_SHORT, at, n);
    }
  }

  /** To bfloat16 in the upper half: to nearest, ties to even; what marks a NaN is kept. */
  private static int rounded(int bits) {
    boolean number = (bits & 0x7fffffff) <= 0x7f800000;
    return number ? bits + 0x7fff + (bits >>> 16 & 1) : bits | 0x400000;
  }

  @Override
  public void keys(MemorySegment page, int head, float[] panel) {
    read(page, keysAt(head), panel, 0, POSITIONS * keySize);
  }

  @Override
  public void values(MemorySegment page, int head, int from, int to, float[] panel, int stride) {
    long at = valuesAt(head) + type.bytes((long) from * valueSize);
    if (stride == valueSize) {
      read(page, at, panel, from * stride, (to - from) * valueSize);
      return;
    }
    for (int j = from; j < to; j++) {
      read(page, at + type.bytes((long) (j - from) * valueSize), panel, j * stride, valueSize);
    }
  }

  private void read(MemorySegment page, long at, float[] panel, int to, int count) {
    switch (type) {
      case F16 -> halves(page, at, panel, to, count);
      case BF16 -> {
        for (int i = 0; i < count; i++) {
          panel[to + i] = Float.intBitsToFloat(page.get(JAVA_SHORT, at + 2L * i) << 16);
        }
      }
      default -> MemorySegment.copy(page, JAVA_FLOAT, at, panel, to, count);
    }
  }

  private static void halves(MemorySegment page, long at, float[] panel, int to, int count) {
    for (int i = 0; i < count; i++) {
      panel[to + i] = Float.float16ToFloat(page.get(JAVA_SHORT, at + 2L * i));
    }
  }
}
