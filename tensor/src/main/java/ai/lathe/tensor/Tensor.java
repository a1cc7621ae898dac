package ai.lathe.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * A plain tensor: elements of one type, row-major, little-endian, without gaps, over memory that
 * somebody else owns (usually a mapped file). Immutable by convention.
 */
public final class Tensor {

  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfDouble DOUBLE =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);

  private final DType dtype;
  private final long[] shape;
  private final MemorySegment data;

  /**
   * @param shape outermost dimension first; empty for a scalar
   * @param data exactly as many bytes as dtype and shape require
   */
  public Tensor(DType dtype, long[] shape, MemorySegment data) {
    long expected = dtype.bytes(elements(shape));
    if (data.byteSize() != expected) {
      throw new LatheException(
          "a tensor of "
              + dtype
              + " "
              + Arrays.toString(shape)
              + " needs "
              + expected
              + " bytes, not "
              + data.byteSize());
    }
    this.dtype = dtype;
    this.shape = shape.clone();
    this.data = data;
  }

  /** A float32 tensor on the heap with these values (copied). */
  public static Tensor ofFloats(float[] values, long... shape) {
    return new Tensor(DType.F32, shape, MemorySegment.ofArray(values.clone()));
  }

  /**
   * Number of elements of a shape; throws {@link LatheException} on a negative dimension or
   * overflow.
   */
  public static long elements(long[] shape) {
    long elements = 1;
    for (long dimension : shape) {
      if (dimension < 0) {
        throw new LatheException("negative dimension in shape " + Arrays.toString(shape));
      }
      try {
        elements = Math.multiplyExact(elements, dimension);
      } catch (ArithmeticException e) {
        throw new LatheException("shape " + Arrays.toString(shape) + " is too large", e);
      }
    }
    return elements;
  }

  public DType dtype() {
    return dtype;
  }

  public long[] shape() {
    return shape.clone();
  }

  /** Size of one dimension, the outermost is 0. */
  public long size(int dimension) {
    return shape[dimension];
  }

  public MemorySegment data() {
    return data;
  }

  public long elements() {
    return elements(shape);
  }

  /** Size of the outermost dimension; 1 for a scalar. */
  public long rows() {
    return shape.length == 0 ? 1 : shape[0];
  }

  /** The same elements under another shape. */
  public Tensor reshape(long... other) {
    return new Tensor(dtype, other, data);
  }

  /** Rows {@code [from, to)} of the outermost dimension, without copying. */
  public Tensor rows(long from, long to) {
    var slice = shape.clone();
    slice[0] = to - from;
    long rowBytes = shape[0] == 0 ? 0 : data.byteSize() / shape[0];
    return new Tensor(dtype, slice, data.asSlice(from * rowBytes, (to - from) * rowBytes));
  }

  /** All elements as float32. */
  public float[] toFloats() {
    var values = new float[Math.toIntExact(elements())];
    copyFloats(0, values, 0, values.length);
    return values;
  }

  /**
   * Converts elements {@code [from, from + count)} to float32 into {@code target[offset ..]}.
   * Integers are converted by value.
   */
  public void copyFloats(long from, float[] target, int offset, int count) {
    switch (dtype) {
      case F32 -> MemorySegment.copy(data, FLOAT, from * 4, target, offset, count);
      case BF16 -> {
        for (int i = 0; i < count; i++) {
          target[offset + i] = Float.intBitsToFloat(data.get(SHORT, (from + i) * 2) << 16);
        }
      }
      case F16 -> {
        for (int i = 0; i < count; i++) {
          target[offset + i] = Float.float16ToFloat(data.get(SHORT, (from + i) * 2));
        }
      }
      default -> {
        for (int i = 0; i < count; i++) {
          target[offset + i] = getFloat(from + i);
        }
      }
    }
  }

  private float getFloat(long i) {
    return switch (dtype) {
      case F32 -> data.get(FLOAT, i * 4);
      case F64 -> (float) data.get(DOUBLE, i * 8);
      case F16 -> Float.float16ToFloat(data.get(SHORT, i * 2));
      case BF16 -> Float.intBitsToFloat(data.get(SHORT, i * 2) << 16);
      case F8_E4M3 -> Float8.e4m3ToFloat(data.get(ValueLayout.JAVA_BYTE, i));
      case F8_E5M2 -> Float8.e5m2ToFloat(data.get(ValueLayout.JAVA_BYTE, i));
      case F8_E8M0 -> Float8.e8m0ToFloat(data.get(ValueLayout.JAVA_BYTE, i));
      case I64, U64 -> data.get(LONG, i * 8);
      case I32 -> data.get(INT, i * 4);
      case U32 -> Integer.toUnsignedLong(data.get(INT, i * 4));
      case I16 -> data.get(SHORT, i * 2);
      case U16 -> Short.toUnsignedInt(data.get(SHORT, i * 2));
      case I8 -> data.get(ValueLayout.JAVA_BYTE, i);
      case U8, BOOL -> Byte.toUnsignedInt(data.get(ValueLayout.JAVA_BYTE, i));
      case C64, F4, F6_E2M3, F6_E3M2, F8_E4M3FNUZ, F8_E5M2FNUZ ->
          throw new LatheException("tensors of type " + dtype + " cannot be read as numbers");
    };
  }

  /** Element {@code i} of an integer tensor. */
  public long getLong(long i) {
    return switch (dtype) {
      case I64, U64 -> data.get(LONG, i * 8);
      case I32 -> data.get(INT, i * 4);
      case U32 -> Integer.toUnsignedLong(data.get(INT, i * 4));
      case I16 -> data.get(SHORT, i * 2);
      case U16 -> Short.toUnsignedInt(data.get(SHORT, i * 2));
      case I8 -> data.get(ValueLayout.JAVA_BYTE, i);
      case U8, BOOL -> Byte.toUnsignedInt(data.get(ValueLayout.JAVA_BYTE, i));
      default -> throw new LatheException("tensors of type " + dtype + " hold no integers");
    };
  }

  /**
   * The same values in another floating type, rounded to nearest even, in memory of {@code arena};
   * this very tensor if the type is the same.
   */
  public Tensor to(DType other, Arena arena) {
    if (other == dtype) {
      return this;
    }
    long n = elements();
    var target = arena.allocate(other.bytes(n), 64);
    var chunk = new float[(int) Math.min(n, 1 << 16)];
    for (long i = 0; i < n; i += chunk.length) {
      int count = (int) Math.min(chunk.length, n - i);
      copyFloats(i, chunk, 0, count);
      putFloats(other, chunk, count, target, i);
    }
    return new Tensor(other, shape, target);
  }

  /**
   * Writes {@code count} floats as elements {@code at ..} of memory of type {@code dtype}, rounded
   * to nearest even.
   */
  public static void putFloats(
      DType dtype, float[] values, int count, MemorySegment target, long at) {
    switch (dtype) {
      case F32 -> MemorySegment.copy(values, 0, target, FLOAT, at * 4, count);
      case F64 -> {
        for (int i = 0; i < count; i++) {
          target.set(DOUBLE, (at + i) * 8, values[i]);
        }
      }
      case F16 -> {
        for (int i = 0; i < count; i++) {
          target.set(SHORT, (at + i) * 2, Float.floatToFloat16(values[i]));
        }
      }
      case BF16 -> {
        for (int i = 0; i < count; i++) {
          target.set(SHORT, (at + i) * 2, floatToBFloat16(values[i]));
        }
      }
      case F8_E4M3 -> {
        for (int i = 0; i < count; i++) {
          target.set(ValueLayout.JAVA_BYTE, at + i, Float8.floatToE4m3(values[i]));
        }
      }
      case F8_E5M2 -> {
        for (int i = 0; i < count; i++) {
          target.set(ValueLayout.JAVA_BYTE, at + i, Float8.floatToE5m2(values[i]));
        }
      }
      default -> throw new LatheException("cannot convert numbers to tensors of type " + dtype);
    }
  }

  /** The nearest bfloat16, ties to even; NaN stays NaN. */
  public static short floatToBFloat16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) ((bits >>> 16) | 0x40);
    }
    return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
  }

  @Override
  public String toString() {
    return dtype + Arrays.toString(shape);
  }
}
