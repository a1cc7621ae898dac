package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.WeightCodec;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.CodebookQuantized;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Encoding.Codebooks;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;

/**
 * What the formats of codebooks share: codes as bits, float16 numbers, and reading both with every
 * size checked.
 */
record CodebookLayer(Layer layer, WeightCodec codec, Codebooks codebooks) {

  static final String SHAPE = ".weight_shape";

  static Codebooks codebooks(Encoding encoding, String format) {
    if (encoding instanceof Codebooks codebooks) {
      return codebooks;
    }
    throw new LatheException(format + " stores codebooks, not " + encoding.label());
  }

  static CodebookQuantized weight(LinearWeight weight, WeightCodec codec) {
    if (weight instanceof CodebookQuantized quantized && codec.canEncode(weight.encoding())) {
      return quantized;
    }
    throw new LatheException(codec.name() + " cannot store " + weight.encoding().label());
  }

  /** An encoding from a configuration, whatever is wrong with it named with its place. */
  static Encoding read(JsonFields weights, Activations activations, Supplier<Codebooks> fields) {
    if (!(activations instanceof Activations.None)) {
      throw new FormatException(
          weights.where() + ": codebooks with quantized input_activations are not supported");
    }
    try {
      return fields.get();
    } catch (FormatException e) {
      throw e;
    } catch (LatheException e) {
      throw new FormatException(weights.where() + ": " + e.getMessage(), e);
    }
  }

  /** A count that is small enough to make a list of. */
  static int small(JsonFields weights, String name) {
    int count = weights.requiredInteger(name);
    if (count < 1 || count > 64) {
      throw new FormatException(
          weights.where() + ": '" + name + "' should be from 1 to 64, not " + count);
    }
    return count;
  }

  static Tensor half(TensorInfo info, float[]... parts) {
    var data = MemorySegment.ofArray(new byte[Math.toIntExact(info.bytes())]);
    long at = 0;
    for (var part : parts) {
      Tensor.putFloats(DType.F16, part, part.length, data, at);
      at += part.length;
    }
    return new Tensor(info.dtype(), info.shape(), data);
  }

  /**
   * Writes each row of blocks at a multiple of {@code rowBytes}: block after block the codes of all
   * codebooks, least significant bits first, no bit unused but at the end.
   */
  static void pack(CodebookQuantized weight, MemorySegment data, long rowBytes) {
    var encoding = weight.encoding();
    int across = encoding.blockColumns(weight.columns());
    int down = encoding.blockRows(weight.rows());
    for (int row = 0; row < down; row++) {
      long at = row * rowBytes;
      long pending = 0;
      int filled = 0;
      for (int block = row * across; block < (row + 1) * across; block++) {
        for (int m = 0; m < weight.codes().length; m++) {
          pending |= (long) weight.codes()[m][block] << filled;
          filled += encoding.bits().get(m);
          for (; filled >= 8; filled -= 8) {
            data.set(ValueLayout.JAVA_BYTE, at++, (byte) pending);
            pending >>>= 8;
          }
        }
      }
      if (filled > 0) {
        data.set(ValueLayout.JAVA_BYTE, at, (byte) pending);
      }
    }
  }

  private char[][] unpack(MemorySegment data, long rowBytes, int down, int across) {
    int count = codebooks.bits().size();
    var codes = new char[count][Math.multiplyExact(down, across)];
    for (int row = 0; row < down; row++) {
      long at = row * rowBytes;
      long pending = 0;
      int held = 0;
      for (int block = row * across; block < (row + 1) * across; block++) {
        for (int m = 0; m < count; m++) {
          int bits = codebooks.bits().get(m);
          for (; held < bits; held += 8) {
            pending |= (long) Byte.toUnsignedInt(data.get(ValueLayout.JAVA_BYTE, at++)) << held;
          }
          codes[m][block] = (char) (pending & (1L << bits) - 1);
          pending >>>= bits;
          held -= bits;
        }
      }
    }
    return codes;
  }

  /** The tensors that a layer of the stored shape must have. */
  List<TensorInfo> expected() {
    var shape = Layer.storedShape(layer.prefix() + SHAPE, layer.source());
    layer.checkSize(SHAPE, shape[0], shape[1]);
    int columns = (int) shape[1];
    if (columns % codebooks.inGroup() != 0) {
      throw new FormatException(
          "'%s%s': groups of %d do not divide rows of %d"
              .formatted(layer.prefix(), SHAPE, codebooks.inGroup(), columns));
    }
    return codec.layout(layer.prefix(), codebooks, (int) shape[0], columns);
  }

  Tensor tensor(TensorInfo expected) {
    var tensor = layer.source().tensor(expected.name());
    if (tensor.dtype() != expected.dtype() || !Arrays.equals(tensor.shape(), expected.shape())) {
      throw new FormatException("expected tensor " + expected + ", found " + tensor);
    }
    return tensor;
  }

  /** As {@link #tensor}, in any floating type. */
  float[] floats(TensorInfo expected) {
    var tensor = layer.source().tensor(expected.name());
    if (!tensor.dtype().isFloat() || !Arrays.equals(tensor.shape(), expected.shape())) {
      throw new FormatException("expected tensor " + expected + ", found " + tensor);
    }
    return tensor.toFloats();
  }

  CodebookQuantized weight(Tensor stored, float[][] books, float[] scales) {
    var shape = Layer.storedShape(layer.prefix() + SHAPE, layer.source());
    int rows = (int) shape[0];
    int columns = (int) shape[1];
    int down = codebooks.blockRows(rows);
    long rowBytes = stored.data().byteSize() / down;
    var codes = unpack(stored.data(), rowBytes, down, codebooks.blockColumns(columns));
    try {
      return new CodebookQuantized(codebooks, rows, columns, codes, books, scales);
    } catch (FormatException e) {
      throw e;
    } catch (LatheException e) {
      throw new FormatException("'" + layer.prefix() + "': " + e.getMessage(), e);
    }
  }
}
