package ai.lathe.format.gguf;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufValue.IntegerType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Walks through a header; checks every length against what is left of the file before using it. */
final class GgufReader {

  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Arrays in arrays; llama.cpp itself reads no nested array at all. */
  private static final int MAX_DEPTH = 4;

  /** Least bytes of an inner array: element type and length. */
  private static final int LEAST_ARRAY = 4 + 8;

  private final Path path;
  private final MemorySegment file;
  private long position;

  GgufReader(Path path, MemorySegment file) {
    this.path = path;
    this.file = file;
  }

  long position() {
    return position;
  }

  int u32(String what) {
    return file.get(INT, take(4, what));
  }

  long i64(String what) {
    return file.get(LONG, take(8, what));
  }

  /** A number of things that take at least {@code least} bytes each. */
  long count(String what, long least) {
    long count = i64("the number of " + what);
    if (count < 0 || count > (file.byteSize() - position) / least) {
      throw new FormatException(
          path
              + " claims "
              + Long.toUnsignedString(count)
              + " "
              + what
              + ", more than the "
              + (file.byteSize() - position)
              + " bytes that are left can hold");
    }
    return count;
  }

  String string(String what) {
    int length = length(what, 1);
    var bytes = new byte[length];
    MemorySegment.copy(file, ValueLayout.JAVA_BYTE, take(length, what), bytes, 0, length);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  GgufValue value(String key) {
    return value(key, u32("the type of " + shown(key)));
  }

  private GgufValue value(String key, int type) {
    var integer = integerType(type);
    if (integer != null) {
      return new GgufValue.Integer(integer, integer(key, integer));
    }
    return switch (type) {
      case GgufValue.FLOAT32 -> new GgufValue.Real(false, Float.intBitsToFloat(u32(key)));
      case GgufValue.FLOAT64 -> new GgufValue.Real(true, Double.longBitsToDouble(i64(key)));
      case GgufValue.BOOL -> new GgufValue.Bool(bool(key));
      case GgufValue.STRING -> new GgufValue.Text(string(key));
      case GgufValue.ARRAY -> array(key, 1);
      default -> throw unknownType(key, type);
    };
  }

  private GgufValue.Array array(String key, int depth) {
    if (depth > MAX_DEPTH) {
      throw new FormatException(
          path + ": key '" + shown(key) + "' nests arrays deeper than " + MAX_DEPTH);
    }
    int type = u32("the element type of " + shown(key));
    var integer = integerType(type);
    if (integer != null) {
      var values = new long[length(key, integer.bytes)];
      for (int i = 0; i < values.length; i++) {
        values[i] = integer(key, integer);
      }
      return new GgufValue.Integers(integer, values);
    }
    return switch (type) {
      case GgufValue.FLOAT32 -> {
        var values = new double[length(key, 4)];
        for (int i = 0; i < values.length; i++) {
          values[i] = Float.intBitsToFloat(u32(key));
        }
        yield new GgufValue.Reals(false, values);
      }
      case GgufValue.FLOAT64 -> {
        var values = new double[length(key, 8)];
        for (int i = 0; i < values.length; i++) {
          values[i] = Double.longBitsToDouble(i64(key));
        }
        yield new GgufValue.Reals(true, values);
      }
      case GgufValue.BOOL -> {
        var values = new boolean[length(key, 1)];
        for (int i = 0; i < values.length; i++) {
          values[i] = bool(key);
        }
        yield new GgufValue.Bools(values);
      }
      case GgufValue.STRING -> {
        int length = length(key, 8);
        List<String> values = new ArrayList<>();
        for (int i = 0; i < length; i++) {
          values.add(string(key));
        }
        yield new GgufValue.Texts(values);
      }
      case GgufValue.ARRAY -> {
        int length = length(key, LEAST_ARRAY);
        List<GgufValue.Array> values = new ArrayList<>();
        for (int i = 0; i < length; i++) {
          values.add(array(key, depth + 1));
        }
        yield new GgufValue.Arrays(values);
      }
      default -> throw unknownType(key, type);
    };
  }

  private long integer(String key, IntegerType type) {
    long at = take(type.bytes, key);
    return switch (type) {
      case U8 -> Byte.toUnsignedLong(file.get(ValueLayout.JAVA_BYTE, at));
      case I8 -> file.get(ValueLayout.JAVA_BYTE, at);
      case U16 -> Short.toUnsignedLong(file.get(SHORT, at));
      case I16 -> file.get(SHORT, at);
      case U32 -> Integer.toUnsignedLong(file.get(INT, at));
      case I32 -> file.get(INT, at);
      case U64, I64 -> file.get(LONG, at);
    };
  }

  private boolean bool(String key) {
    byte value = file.get(ValueLayout.JAVA_BYTE, take(1, key));
    if (value != 0 && value != 1) {
      throw new FormatException(path + ": the boolean '" + shown(key) + "' is neither 0 nor 1");
    }
    return value == 1;
  }

  /** Length of a string or an array whose elements take at least {@code least} bytes each. */
  private int length(String what, int least) {
    long length = i64("the length of " + shown(what));
    long left = file.byteSize() - position;
    if (length < 0 || length > left / least || length > Integer.MAX_VALUE - 8) {
      throw new FormatException(
          path
              + ": '"
              + shown(what)
              + "' claims "
              + Long.toUnsignedString(length)
              + " elements, and "
              + left
              + " bytes are left");
    }
    return (int) length;
  }

  private long take(long bytes, String what) {
    if (bytes > file.byteSize() - position) {
      throw new FormatException(path + " is truncated: it ends within '" + shown(what) + "'");
    }
    long at = position;
    position += bytes;
    return at;
  }

  private static IntegerType integerType(int type) {
    for (var candidate : IntegerType.values()) {
      if (candidate.type == type) {
        return candidate;
      }
    }
    return null;
  }

  /** A name from a file, fit for a line of text: shortened, without control characters. */
  static String shown(String name) {
    var text = name.length() <= 64 ? name : name.substring(0, 64) + "...";
    return text.replaceAll("\\p{Cntrl}", "?");
  }

  private FormatException unknownType(String key, int type) {
    return new FormatException(
        path + ": key '" + shown(key) + "' has the unknown type " + Integer.toUnsignedString(type));
  }
}
