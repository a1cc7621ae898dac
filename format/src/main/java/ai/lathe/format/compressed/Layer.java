package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** The tensors of one compressed layer: their names, and reading them with every size checked. */
public record Layer(String prefix, TensorSource source) {

  /** Little-endian, at any address. */
  public static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  static final String SCALE = ".weight_scale";
  static final String ZERO_POINT = ".weight_zero_point";
  static final String GROUP_INDEX = ".weight_g_idx";
  static final String INPUT_SCALE = ".input_scale";
  static final String INPUT_GLOBAL_SCALE = ".input_global_scale";

  static Encoding.Grouped grouped(Encoding encoding, String format) {
    if (encoding instanceof Encoding.Grouped grouped) {
      return grouped;
    }
    throw new LatheException(
        format + " stores integers with group scales, not " + encoding.label());
  }

  static TensorInfo info(String name, DType dtype, long... shape) {
    return new TensorInfo(name, dtype, shape);
  }

  /** The two numbers of a shape tensor, {@code [out, in]}. */
  static long[] storedShape(String name, TensorSource source) {
    var shape = source.tensor(name);
    if ((shape.dtype() != DType.I64 && shape.dtype() != DType.I32) || shape.elements() != 2) {
      throw new FormatException("'" + name + "' should be two integers, not " + shape);
    }
    return new long[] {shape.getLong(0), shape.getLong(1)};
  }

  /** The tensor that {@link #storedShape} reads. */
  static Tensor shapeTensor(int rows, int columns) {
    var data = MemorySegment.ofArray(new byte[16]);
    // Values below 2^31: the upper halves stay zero.
    data.set(INT, 0, rows);
    data.set(INT, 8, columns);
    return new Tensor(DType.I64, new long[] {2}, data);
  }

  public boolean has(String suffix) {
    return source.names().contains(prefix + suffix);
  }

  /** A tensor that must be a matrix of this type. */
  public Tensor matrix(String suffix, DType dtype) {
    var tensor = source.tensor(prefix + suffix);
    if (tensor.dtype() != dtype || tensor.shape().length != 2) {
      throw new FormatException(
          "'" + prefix + suffix + "' should be a matrix of " + dtype + ", not " + tensor);
    }
    return tensor;
  }

  /** One scale a group: {@code [rows, groups]}; a column may have been stored as a vector. */
  Tensor scales(int rows, int groups) {
    var scales = source.tensor(prefix + SCALE);
    if (!scales.dtype().isFloat() || scales.elements() != (long) rows * groups) {
      throw wrong(
          SCALE, "one float for each of " + rows + " rows and " + groups + " groups", scales);
    }
    return scales.reshape(rows, groups);
  }

  /** The tensor that holds the scale of calibrated inputs. */
  static String inputScaleName(Activations activations) {
    return activations instanceof Activations.PerGroup ? INPUT_GLOBAL_SCALE : INPUT_SCALE;
  }

  /** The scale of a weight's calibrated inputs as it is stored. */
  static Tensor inputScale(String prefix, LinearWeight weight) {
    float scale = weight.inputScale();
    if (!(scale > 0 && scale < Float.POSITIVE_INFINITY)) {
      throw new LatheException(
          "'%s%s' should be a positive number, not %s"
              .formatted(prefix, inputScaleName(weight.activations()), scale));
    }
    return Tensor.ofFloats(new float[] {scale}, 1);
  }

  /** The scale of calibrated inputs; NaN where they are not. */
  float inputScale(Activations activations) {
    return activations.calibrated() ? positive(inputScaleName(activations)) : Float.NaN;
  }

  /** A tensor of one positive number. */
  float positive(String suffix) {
    var stored = source.tensor(prefix + suffix);
    if (!stored.dtype().isFloat() || stored.elements() != 1) {
      throw wrong(suffix, "one number", stored);
    }
    float value = stored.toFloats()[0];
    if (!(value > 0 && value < Float.POSITIVE_INFINITY)) {
      throw new FormatException(
          "'" + prefix + suffix + "' should be a positive number, not " + value);
    }
    return value;
  }

  /** The group of each input, or null where groups are consecutive. */
  int[] groupIndex(int columns, int groups) {
    return groupIndex(GROUP_INDEX, columns, groups);
  }

  /** Likewise, from the tensor of this suffix. */
  public int[] groupIndex(String suffix, int columns, int groups) {
    if (!has(suffix)) {
      return null;
    }
    var stored = source.tensor(prefix + suffix);
    if ((stored.dtype() != DType.I32 && stored.dtype() != DType.I64)
        || stored.elements() != columns) {
      throw wrong(suffix, "one group number for each of " + columns + " inputs", stored);
    }
    var index = new int[columns];
    for (int i = 0; i < columns; i++) {
      long group = stored.getLong(i);
      if (group == -1) {
        // What the Python package leaves in a tensor that it made and never filled.
        return null;
      }
      if (group < 0 || group >= groups) {
        throw new FormatException(
            "'" + prefix + suffix + "' names group " + group + " of " + groups);
      }
      index[i] = (int) group;
    }
    return index;
  }

  /** Zero points stored one a byte. */
  byte[] plainZeros(IntegerScheme scheme, int rows, int groups) {
    var zeros = source.tensor(prefix + ZERO_POINT);
    if (zeros.dtype() != DType.I8 || zeros.elements() != (long) rows * groups) {
      throw wrong(
          ZERO_POINT, "one int8 for each of " + rows + " rows and " + groups + " groups", zeros);
    }
    return codes(ZERO_POINT, zeros, scheme);
  }

  /** Bytes that must be codes of the scheme. */
  byte[] codes(String suffix, Tensor stored, IntegerScheme scheme) {
    var codes = bytes(stored);
    for (byte code : codes) {
      if (code < scheme.min() || code > scheme.max()) {
        throw new FormatException(
            "'" + prefix + suffix + "' holds " + code + ", outside of " + scheme.label());
      }
    }
    return codes;
  }

  private static byte[] bytes(Tensor tensor) {
    return tensor.data().toArray(ValueLayout.JAVA_BYTE);
  }

  public FormatException wrong(String suffix, String expected, Tensor found) {
    return new FormatException(
        "'" + prefix + suffix + "' should be " + expected + ", not " + found);
  }

  /** Rows and columns within what one weight may have. */
  public void checkSize(String suffix, long rows, long columns) {
    if (rows < 1 || columns < 1 || rows > Integer.MAX_VALUE / columns) {
      throw new FormatException(
          "'"
              + prefix
              + suffix
              + "' is of a "
              + rows
              + " x "
              + columns
              + " weight; from 1 to 2^31 - 1 values are possible");
    }
  }

  /** The tensor that holds a weight's group index. */
  static Tensor groupIndex(GroupQuantized weight) {
    var bytes = MemorySegment.ofArray(new byte[weight.columns() * 4]);
    for (int i = 0; i < weight.columns(); i++) {
      bytes.set(INT, i * 4L, weight.groupIndex()[i]);
    }
    return new Tensor(DType.I32, new long[] {weight.columns()}, bytes);
  }
}
