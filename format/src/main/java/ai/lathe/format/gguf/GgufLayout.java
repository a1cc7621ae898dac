package ai.lathe.format.gguf;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufValue.IntegerType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Where everything of a file to be written stands.
 *
 * @param header its bytes up to the data, padding included
 * @param offsets first byte of each tensor in the file
 * @param firstPieces number of the first piece of each tensor, among those that are written one by
 *     one
 * @param pieces of all tensors
 * @param dataEnd bytes of the whole file
 */
record GgufLayout(
    List<GgufWriter.Planned> tensors,
    Map<String, Integer> indices,
    byte[] header,
    long[] offsets,
    int[] firstPieces,
    int pieces,
    long dataEnd) {

  /** llama.cpp keeps names in 64 bytes, the last of them zero. */
  private static final int LONGEST_NAME = 63;

  private static final int MAX_DIMENSIONS = 4;

  static GgufLayout of(GgufMetadata metadata, List<GgufWriter.Planned> tensors) {
    long alignment =
        metadata.findInteger(GgufHeader.ALIGNMENT).orElse(GgufHeader.DEFAULT_ALIGNMENT);
    if (Long.bitCount(alignment) != 1 || alignment < 8 || alignment > 1 << 20) {
      throw new FormatException(
          "the alignment must be a power of two from 8 to 1048576, not " + alignment);
    }
    var out = new Out();
    out.u32(GgufHeader.MAGIC);
    out.u32(GgufHeader.VERSION);
    out.i64(tensors.size());
    out.i64(metadata.keys().size());
    metadata
        .values()
        .forEach(
            (key, value) -> {
              out.string(key);
              out.u32(value.type());
              out.value(value);
            });
    Map<String, Integer> indices = new HashMap<>();
    var offsets = new long[tensors.size()];
    var firstPieces = new int[offsets.length];
    int pieces = 0;
    long end = 0;
    for (int i = 0; i < offsets.length; i++) {
      var tensor = tensors.get(i);
      if (indices.put(tensor.name(), i) != null) {
        throw new FormatException("two tensors are named '" + tensor.name() + "'");
      }
      offsets[i] = end;
      firstPieces[i] = pieces;
      pieces = Math.addExact(pieces, tensor.pieces());
      out.tensor(tensor, end);
      end = GgufHeader.align(Math.addExact(end, bytes(tensor)), alignment);
    }
    out.pad(alignment);
    var header = out.bytes();
    for (int i = 0; i < offsets.length; i++) {
      offsets[i] += header.length;
    }
    // The data of the last tensor are padded too, as llama.cpp writes them.
    return new GgufLayout(
        List.copyOf(tensors),
        Map.copyOf(indices),
        header,
        offsets,
        firstPieces,
        pieces,
        header.length + end);
  }

  int index(String name) {
    var index = indices.get(name);
    if (index == null) {
      throw LatheException.unknown("tensor", name, indices.keySet());
    }
    return index;
  }

  private static GgmlType type(GgufWriter.Planned tensor) {
    return GgmlType.of(tensor.encoding())
        .orElseThrow(
            () ->
                new FormatException(
                    "GGUF cannot hold tensor '"
                        + tensor.name()
                        + "' as "
                        + tensor.encoding().label()));
  }

  private static long bytes(GgufWriter.Planned tensor) {
    var type = type(tensor);
    var shape = tensor.shape();
    long row = shape.length == 0 ? 1 : shape[shape.length - 1];
    if (row % type.blockSize() != 0) {
      throw new FormatException(
          "tensor '"
              + tensor.name()
              + "' has rows of "
              + row
              + ", which is not a multiple of the "
              + type.blockSize()
              + " of a block of "
              + type);
    }
    return Math.multiplyExact(Tensor.elements(shape) / type.blockSize(), type.blockBytes());
  }

  /** The header's bytes, little-endian. */
  private static final class Out {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteBuffer buffer = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);

    void u32(int value) {
      out.write(buffer.putInt(0, value).array(), 0, 4);
    }

    void i64(long value) {
      out.write(buffer.putLong(0, value).array(), 0, 8);
    }

    void string(String text) {
      var bytes = text.getBytes(StandardCharsets.UTF_8);
      i64(bytes.length);
      out.writeBytes(bytes);
    }

    void value(GgufValue value) {
      switch (value) {
        case GgufValue.Integer(IntegerType type, long number) -> integer(type, number);
        case GgufValue.Real(boolean wide, double number) -> real(wide, number);
        case GgufValue.Bool(boolean bool) -> out.write(bool ? 1 : 0);
        case GgufValue.Text(String text) -> string(text);
        case GgufValue.Array array -> array(array);
      }
    }

    private void array(GgufValue.Array array) {
      u32(array.elementType());
      i64(array.length());
      switch (array) {
        case GgufValue.Integers(IntegerType type, long[] values) -> {
          for (long value : values) {
            integer(type, value);
          }
        }
        case GgufValue.Reals(boolean wide, double[] values) -> {
          for (double value : values) {
            real(wide, value);
          }
        }
        case GgufValue.Bools(boolean[] values) -> {
          for (boolean value : values) {
            out.write(value ? 1 : 0);
          }
        }
        case GgufValue.Texts(List<String> values) -> values.forEach(this::string);
        case GgufValue.Arrays(List<GgufValue.Array> values) -> values.forEach(this::array);
      }
    }

    private void integer(IntegerType type, long value) {
      out.write(buffer.putLong(0, value).array(), 0, type.bytes);
    }

    private void real(boolean wide, double value) {
      if (wide) {
        i64(Double.doubleToRawLongBits(value));
      } else {
        u32(Float.floatToRawIntBits((float) value));
      }
    }

    void tensor(GgufWriter.Planned tensor, long offset) {
      var shape = tensor.shape();
      if (shape.length > MAX_DIMENSIONS) {
        throw new FormatException(
            "tensor '"
                + tensor.name()
                + "' of shape "
                + Arrays.toString(shape)
                + " has more than "
                + MAX_DIMENSIONS
                + " dimensions");
      }
      int length = tensor.name().getBytes(StandardCharsets.UTF_8).length;
      if (length == 0 || length > LONGEST_NAME) {
        throw new FormatException(
            "a tensor's name in GGUF has 1 to "
                + LONGEST_NAME
                + " bytes; '"
                + tensor.name()
                + "' has "
                + length);
      }
      string(tensor.name());
      u32(shape.length);
      for (int d = shape.length - 1; d >= 0; d--) {
        i64(shape[d]);
      }
      u32(type(tensor).id());
      i64(offset);
    }

    void pad(long alignment) {
      while (out.size() % alignment != 0) {
        out.write(0);
      }
    }

    byte[] bytes() {
      return out.toByteArray();
    }
  }
}
