package ai.lathe.format.gguf;

import java.util.List;

/** A metadata value with its exact type. */
public sealed interface GgufValue {

  /** Type number in the file. */
  int type();

  /** An integer. @param value unsigned 64-bit numbers above 2^63 - 1 appear negative */
  record Integer(IntegerType integerType, long value) implements GgufValue {
    @Override
    public int type() {
      return integerType.type;
    }
  }

  /**
   * @param value as float32 or float64, {@code wide} for the latter
   */
  record Real(boolean wide, double value) implements GgufValue {
    @Override
    public int type() {
      return wide ? FLOAT64 : FLOAT32;
    }
  }

  record Bool(boolean value) implements GgufValue {
    @Override
    public int type() {
      return BOOL;
    }
  }

  record Text(String value) implements GgufValue {
    @Override
    public int type() {
      return STRING;
    }
  }

  /** An array of one element type. */
  sealed interface Array extends GgufValue {

    /** Type number of the elements. */
    int elementType();

    int length();

    @Override
    default int type() {
      return ARRAY;
    }
  }

  record Integers(IntegerType integerType, long[] values) implements Array {
    @Override
    public int elementType() {
      return integerType.type;
    }

    @Override
    public int length() {
      return values.length;
    }
  }

  record Reals(boolean wide, double[] values) implements Array {
    @Override
    public int elementType() {
      return wide ? FLOAT64 : FLOAT32;
    }

    @Override
    public int length() {
      return values.length;
    }
  }

  record Bools(boolean[] values) implements Array {
    @Override
    public int elementType() {
      return BOOL;
    }

    @Override
    public int length() {
      return values.length;
    }
  }

  record Texts(List<String> values) implements Array {
    public Texts {
      values = List.copyOf(values);
    }

    @Override
    public int elementType() {
      return STRING;
    }

    @Override
    public int length() {
      return values.size();
    }
  }

  /** An array of arrays. */
  record Arrays(List<Array> values) implements Array {
    public Arrays {
      values = List.copyOf(values);
    }

    @Override
    public int elementType() {
      return ARRAY;
    }

    @Override
    public int length() {
      return values.size();
    }
  }

  int FLOAT32 = 6;
  int BOOL = 7;
  int STRING = 8;
  int ARRAY = 9;
  int FLOAT64 = 12;

  /** Widths and signs of integers. */
  enum IntegerType {
    U8(0, 1, false),
    I8(1, 1, true),
    U16(2, 2, false),
    I16(3, 2, true),
    U32(4, 4, false),
    I32(5, 4, true),
    U64(10, 8, false),
    I64(11, 8, true);

    final int type;
    final int bytes;
    final boolean signed;

    IntegerType(int type, int bytes, boolean signed) {
      this.type = type;
      this.bytes = bytes;
      this.signed = signed;
    }

    /** Whether a value can be stored. */
    boolean holds(long value) {
      if (bytes == 8) {
        return true;
      }
      long least = signed ? -(1L << 8 * bytes - 1) : 0;
      long largest = (1L << 8 * bytes - (signed ? 1 : 0)) - 1;
      return value >= least && value <= largest;
    }
  }
}
