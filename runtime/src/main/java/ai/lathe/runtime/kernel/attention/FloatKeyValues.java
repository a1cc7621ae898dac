package ai.lathe.runtime.kernel.attention;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;

/**
 * Keys and values as plain floats. A page holds for each head {@code [head size, POSITIONS]} keys,
 * so that scores of many positions are computed side by side, then {@code [POSITIONS, head size]}
 * values.
 *
 * <p>Float16 is read by the processor's own conversion, which the compiler makes of the loop in
 * {@link #halves}. Shifting a half's bits into a float and multiplying by {@code 2^112} would be no
 * faster here, and where a half is subnormal, as values below 6e-5 are, the product is computed in
 * microcode, thirty times slower.
 *
 * @param type F16, BF16 or F32
 */
public record FloatKeyValues(DType type, int heads, int headSize) implements KeyValueLayout {

  /** Tokens from which on a page is filled by way of arrays. */
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
    if (heads < 1 || headSize < 1) {
      throw new IllegalArgumentException(heads + " heads of " + headSize);
    }
  }

  @Override
  public long bytes() {
    return 2L * POSITIONS * type.bytes((long) heads * headSize);
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
    return 2L * head * half();
  }

  /** Where a head's values begin, in bytes. */
  public long valuesAt(int head) {
    return keysAt(head) + half();
  }

  private long half() {
    return type.bytes((long) POSITIONS * headSize);
  }

  @Override
  public boolean store(
      Heads keys, Heads values, int token, int count, int head, MemorySegment page, int position) {
    if (count >= MANY) {
      return storeMany(keys, values, token, count, head, page, position);
    }
    long keysAt = keysAt(head) + type.bytes(position);
    long valuesAt = valuesAt(head) + type.bytes((long) position * headSize);
    boolean fits = true;
    for (int t = 0; t < count; t++) {
      fits &= put(keys, token + t, head, page, keysAt + type.bytes(t), POSITIONS);
      fits &= put(values, token + t, head, page, valuesAt + type.bytes((long) t * headSize), 1);
    }
    return fits;
  }

  /** In arrays, where the compiler sees through every index. */
  private boolean storeMany(
      Heads keys, Heads values, int token, int count, int head, MemorySegment page, int position) {
    var block = BLOCK.get();
    int n = count * headSize;
    block.reserve(n);
    block.read(values, token, count, head, headSize);
    long valuesAt = valuesAt(head) + type.bytes((long) position * headSize);
    boolean fits = write(block.rows, 0, n, block.codes, page, valuesAt);
    block.read(keys, token, count, head, headSize);
    turn(block.rows, count, headSize, block.turned);
    long keysAt = keysAt(head) + type.bytes(position);
    if (count == POSITIONS) {
      return fits & write(block.turned, 0, n, block.codes, page, keysAt);
    }
    for (int i = 0; i < headSize; i++) {
      long at = keysAt + type.bytes((long) i * POSITIONS);
      fits &= write(block.turned, i * count, count, block.codes, page, at);
    }
    return fits;
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

  /** Whether all are numbers, also in this type. */
  private boolean write(float[] x, int from, int n, short[] codes, MemorySegment page, long at) {
    int largest = 0;
    switch (type) {
      case F16 -> {
        for (int i = 0; i < n; i++) {
          codes[i] = Float.floatToFloat16(x[from + i]);
        }
        for (int i = 0; i < n; i++) {
          largest = Math.max(largest, codes[i] & 0x7fff);
        }
        MemorySegment.copy(codes, 0, page, JAVA_SHORT, at, n);
        return largest < 0x7c00;
      }
      case BF16 -> {
        for (int i = 0; i < n; i++) {
          int bits = Float.floatToRawIntBits(x[from + i]);
          codes[i] = (short) (rounded(bits) >>> 16);
        }
        for (int i = 0; i < n; i++) {
          largest = Math.max(largest, codes[i] & 0x7fff);
        }
        MemorySegment.copy(codes, 0, page, JAVA_SHORT, at, n);
        return largest < 0x7f80;
      }
      default -> {
        for (int i = 0; i < n; i++) {
          largest = Math.max(largest, Float.floatToRawIntBits(x[from + i]) & 0x7fffffff);
        }
        MemorySegment.copy(x, from, page, JAVA_FLOAT, at, n);
        return largest < 0x7f800000;
      }
    }
  }

  /** To bfloat16 in the upper half: to nearest, ties to even; what marks a NaN is kept. */
  private static int rounded(int bits) {
    boolean number = (bits & 0x7fffffff) <= 0x7f800000;
    return number ? bits + 0x7fff + (bits >>> 16 & 1) : bits | 0x400000;
  }

  /** One head of one token, its features {@code stride} elements apart. */
  private boolean put(Heads from, int token, int head, MemorySegment page, long at, int stride) {
    var memory = from.memory();
    long source = from.at(token, head);
    int beyond = 0;
    switch (type) {
      case F16 -> {
        for (int i = 0; i < headSize; i++) {
          short half = Float.floatToFloat16(memory.getAtIndex(JAVA_FLOAT, source + i));
          page.set(JAVA_SHORT, at + 2L * i * stride, half);
          // Carries into bit 15 where all bits of the exponent are set.
          beyond |= (half & 0x7fff) + 0x400;
        }
      }
      case BF16 -> {
        for (int i = 0; i < headSize; i++) {
          int bits = Float.floatToRawIntBits(memory.getAtIndex(JAVA_FLOAT, source + i));
          int rounded = rounded(bits);
          page.set(JAVA_SHORT, at + 2L * i * stride, (short) (rounded >>> 16));
          beyond |= (rounded >>> 16 & 0x7fff) + 0x80;
        }
      }
      default -> {
        for (int i = 0; i < headSize; i++) {
          float value = memory.getAtIndex(JAVA_FLOAT, source + i);
          page.set(JAVA_FLOAT, at + 4L * i * stride, value);
          beyond |= Math.abs(value) <= Float.MAX_VALUE ? 0 : 0x8000;
        }
      }
    }
    return (beyond & 0x8000) == 0;
  }

  @Override
  public void keys(MemorySegment page, int head, float[] panel) {
    read(page, keysAt(head), panel, 0, POSITIONS * headSize);
  }

  @Override
  public void values(MemorySegment page, int head, int from, int to, float[] panel, int stride) {
    long at = valuesAt(head) + type.bytes((long) from * headSize);
    if (stride == headSize) {
      read(page, at, panel, from * stride, (to - from) * headSize);
      return;
    }
    for (int j = from; j < to; j++) {
      read(page, at + type.bytes((long) (j - from) * headSize), panel, j * stride, headSize);
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
