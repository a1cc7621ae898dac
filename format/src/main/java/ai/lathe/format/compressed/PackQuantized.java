package ai.lathe.format.compressed;

import static ai.lathe.format.compressed.Layer.GROUP_INDEX;
import static ai.lathe.format.compressed.Layer.SCALE;
import static ai.lathe.format.compressed.Layer.ZERO_POINT;
import static ai.lathe.format.compressed.Layer.info;

import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Weight-only integers of 2 to 8 bits packed into int32 words.
 *
 * <ul>
 *   <li>{@code weight_packed} I32 {@code [out, ceil(in * bits / 32)]}
 *   <li>{@code weight_scale} {@code [out, groups]}
 *   <li>{@code weight_shape} I64 {@code [2]}
 *   <li>{@code weight_zero_point} I32 {@code [ceil(out * bits / 32), groups]}, packed along the
 *       first dimension; only where the scheme is asymmetric
 *   <li>{@code weight_g_idx} I32 {@code [in]}; only where groups are not consecutive
 * </ul>
 *
 * <p>Writes dense words. Reads words that were padded too (until version 0.17 of the Python
 * package), and zero points of one int8 each (until 0.9).
 */
public final class PackQuantized implements ConfiguredCodec {

  static final String NAME = "pack-quantized";
  private static final String PACKED = ".weight_packed";
  private static final String SHAPE = ".weight_shape";

  private final Packing assumed;

  /** For files of a current writer. */
  public PackQuantized() {
    this(Packing.DENSE);
  }

  /**
   * @param assumed how words are packed where the tensors' shapes do not tell
   */
  PackQuantized(Packing assumed) {
    this.assumed = assumed;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return encoding instanceof Encoding.Grouped grouped
        && grouped.scheme().activations() instanceof Activations.None;
  }

  @Override
  public List<String> suffixes() {
    return List.of(PACKED, SCALE, SHAPE, ZERO_POINT, GROUP_INDEX);
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    return Layer.storedShape(prefix + SHAPE, source);
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    return IntegerArguments.write(Layer.grouped(encoding, NAME).scheme(), order);
  }

  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    return IntegerArguments.read(weights, activations);
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var grouped = Layer.grouped(encoding, NAME);
    var scheme = grouped.scheme();
    int groups = scheme.groups(columns);
    var infos = new ArrayList<TensorInfo>();
    infos.add(info(prefix + PACKED, DType.I32, rows, Packing.DENSE.words(columns, scheme.bits())));
    infos.add(info(prefix + SCALE, grouped.scaleType(), rows, groups));
    infos.add(info(prefix + SHAPE, DType.I64, 2));
    if (!scheme.symmetric()) {
      infos.add(
          info(prefix + ZERO_POINT, DType.I32, Packing.DENSE.words(rows, scheme.bits()), groups));
    }
    if (grouped.groupIndex()) {
      infos.add(info(prefix + GROUP_INDEX, DType.I32, columns));
    }
    return infos;
  }

  @Override
  public Map<String, Tensor> constants(String prefix, Encoding encoding, int rows, int columns) {
    return Map.of(prefix + SHAPE, Layer.shapeTensor(rows, columns));
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    if (!(weight instanceof GroupQuantized quantized) || !canEncode(weight.encoding())) {
      throw new LatheException(NAME + " cannot store " + weight.encoding().label());
    }
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var info : layout(prefix, weight.encoding(), weight.rows(), weight.columns())) {
      var suffix = info.name().substring(prefix.length());
      tensors.put(
          info.name(),
          switch (suffix) {
            case PACKED -> packedRows(info, quantized);
            case SCALE -> quantized.scales().reshape(info.shape());
            case SHAPE -> Layer.shapeTensor(weight.rows(), weight.columns());
            case ZERO_POINT -> packedColumns(info, quantized);
            default -> Layer.groupIndex(quantized);
          });
    }
    return tensors;
  }

  private static Tensor packedRows(TensorInfo info, GroupQuantized weight) {
    var words = MemorySegment.ofArray(new byte[Math.toIntExact(info.bytes())]);
    int columns = weight.columns();
    for (int row = 0; row < weight.rows(); row++) {
      Packing.packDense(
          weight.codes(),
          row * columns,
          columns,
          weight.scheme().bits(),
          1,
          words,
          row * info.shape()[1]);
    }
    return new Tensor(info.dtype(), info.shape(), words);
  }

  private static Tensor packedColumns(TensorInfo info, GroupQuantized weight) {
    var words = MemorySegment.ofArray(new byte[Math.toIntExact(info.bytes())]);
    int groups = Math.toIntExact(info.shape()[1]);
    for (int group = 0; group < groups; group++) {
      Packing.packDense(
          weight.zeros(), group, weight.rows(), weight.scheme().bits(), groups, words, group);
    }
    return new Tensor(info.dtype(), info.shape(), words);
  }

  @Override
  public GroupQuantized decode(String prefix, Encoding encoding, TensorSource source) {
    var scheme = Layer.grouped(encoding, NAME).scheme();
    var layer = new Layer(prefix, source);
    var packed = layer.matrix(PACKED, DType.I32);
    var shape = shape(prefix, encoding, source);
    layer.checkSize(SHAPE, shape[0], shape[1]);
    int rows = (int) shape[0];
    int columns = (int) shape[1];
    int groups = scheme.groups(columns);
    int bits = scheme.bits();
    long words = packed.shape()[1];
    if (packed.shape()[0] != rows
        || (words != Packing.DENSE.words(columns, bits)
            && words != Packing.PADDED.words(columns, bits))) {
      throw layer.wrong(
          PACKED, "a " + rows + " x " + columns + " weight of " + bits + " bits", packed);
    }
    var packing = packing(layer, scheme, rows, columns, words);
    var codes = new byte[rows * columns];
    for (int row = 0; row < rows; row++) {
      packing.unpack(packed.data(), row * words, codes, row * columns, columns, bits, 1);
    }
    var zeros = scheme.symmetric() ? null : zeros(layer, scheme, packing, rows, groups);
    return new GroupQuantized(
        scheme,
        rows,
        columns,
        codes,
        layer.scales(rows, groups),
        zeros,
        layer.groupIndex(columns, groups));
  }

  /** By the width of the weight; by the height of the zero points; by the writer's version. */
  private Packing packing(Layer layer, IntegerScheme scheme, int rows, int columns, long words) {
    int bits = scheme.bits();
    long dense = Packing.DENSE.words(columns, bits);
    if (dense != Packing.PADDED.words(columns, bits)) {
      return words == dense ? Packing.DENSE : Packing.PADDED;
    }
    if (!scheme.symmetric() && layer.has(ZERO_POINT)) {
      var zeros = layer.source().info(layer.prefix() + ZERO_POINT);
      long tall = Packing.PADDED.words(rows, bits);
      long low = Packing.DENSE.words(rows, bits);
      if (zeros.dtype() == DType.I32 && zeros.shape().length == 2 && tall != low) {
        return zeros.shape()[0] == tall ? Packing.PADDED : Packing.DENSE;
      }
    }
    return assumed;
  }

  private static byte[] zeros(
      Layer layer, IntegerScheme scheme, Packing packing, int rows, int groups) {
    if (layer.source().info(layer.prefix() + ZERO_POINT).dtype() == DType.I8) {
      return layer.plainZeros(scheme, rows, groups);
    }
    var packed = layer.matrix(ZERO_POINT, DType.I32);
    if (packed.shape()[0] != packing.words(rows, scheme.bits()) || packed.shape()[1] != groups) {
      throw layer.wrong(
          ZERO_POINT, "the zero points of " + rows + " rows and " + groups + " groups", packed);
    }
    layer.checkSize(ZERO_POINT, rows, groups);
    var zeros = new byte[rows * groups];
    for (int group = 0; group < groups; group++) {
      packing.unpack(packed.data(), group, zeros, group, rows, scheme.bits(), groups);
    }
    return zeros;
  }
}
