package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.BlockDiagonal;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;

/** Square blocks along a diagonal: {@code blocks [n, size, size]} of any floating type. */
public final class BlockDiagonalCodec implements ConfiguredCodec {

  static final String NAME = "block-diagonal";
  private static final String BLOCKS = ".blocks";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean standard() {
    return false;
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return encoding instanceof Encoding.BlockDiagonal(_, DType type) && type.isFloat();
  }

  private static Encoding.BlockDiagonal diagonal(Encoding encoding) {
    if (encoding instanceof Encoding.BlockDiagonal diagonal) {
      return diagonal;
    }
    throw new LatheException(NAME + " cannot store " + encoding.label());
  }

  @Override
  public List<String> suffixes() {
    return List.of(BLOCKS);
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    var shape = source.info(prefix + BLOCKS).shape();
    if (shape.length != 3 || shape[0] > Integer.MAX_VALUE || shape[1] > Integer.MAX_VALUE) {
      throw new FormatException("'" + prefix + BLOCKS + "' should be square blocks");
    }
    return new long[] {shape[0] * shape[1], shape[0] * shape[1]};
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    return Json.object().put("type", "float").put("num_bits", diagonal(encoding).type().bits());
  }

  /** The blocks' size is that of the tensor. */
  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    if (!(activations instanceof Activations.None)) {
      throw new FormatException(weights.where() + ": " + NAME + " leaves inputs as they are");
    }
    return new Encoding.BlockDiagonal(1, DType.F16);
  }

  @Override
  public Encoding described(Encoding encoding) {
    return new Encoding.BlockDiagonal(1, diagonal(encoding).type());
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var diagonal = diagonal(encoding);
    if (rows != columns || rows % diagonal.size() != 0) {
      throw new LatheException(
          "blocks of %d do not make a matrix of %d x %d".formatted(diagonal.size(), rows, columns));
    }
    int size = diagonal.size();
    return List.of(Layer.info(prefix + BLOCKS, diagonal.type(), rows / size, size, size));
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    diagonal(weight.encoding());
    return Map.of(prefix + BLOCKS, ((BlockDiagonal) weight).blocks());
  }

  @Override
  public BlockDiagonal decode(String prefix, Encoding encoding, TensorSource source) {
    var blocks = source.tensor(prefix + BLOCKS);
    var shape = blocks.shape();
    var layer = new Layer(prefix, source);
    if (shape.length != 3 || shape[1] != shape[2] || shape[0] < 1 || !blocks.dtype().isFloat()) {
      throw layer.wrong(BLOCKS, "square blocks of floats", blocks);
    }
    long[] size = shape(prefix, encoding, source);
    layer.checkSize(BLOCKS, size[0], size[1]);
    return new BlockDiagonal(blocks);
  }
}
