package ai.lathe.format.compressed;

import static ai.lathe.format.compressed.Layer.GROUP_INDEX;
import static ai.lathe.format.compressed.Layer.INPUT_GLOBAL_SCALE;
import static ai.lathe.format.compressed.Layer.INPUT_SCALE;
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
 * Integers one a byte, for layers whose inputs are quantized too (W8A8).
 *
 * <ul>
 *   <li>{@code weight} I8 {@code [out, in]}
 *   <li>{@code weight_scale} {@code [out, groups]}; {@code [out, 1]} for whole rows
 *   <li>{@code weight_zero_point} I8 {@code [out, groups]}; only where the scheme is asymmetric
 *   <li>{@code weight_g_idx} I32 {@code [in]}; only where groups are not consecutive
 *   <li>{@code input_scale} F32 {@code [1]}; only where inputs have one static scale
 * </ul>
 */
public final class IntQuantized implements ConfiguredCodec {

  static final String NAME = "int-quantized";
  private static final String WEIGHT = ".weight";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return encoding instanceof Encoding.Grouped grouped
        && !(grouped.scheme().activations() instanceof Activations.None);
  }

  @Override
  public List<String> suffixes() {
    return List.of(WEIGHT, SCALE, ZERO_POINT, GROUP_INDEX, INPUT_SCALE, INPUT_GLOBAL_SCALE);
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    return source.info(prefix + WEIGHT).shape();
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
    int groups = grouped.scheme().groups(columns);
    var infos = new ArrayList<TensorInfo>();
    infos.add(info(prefix + WEIGHT, DType.I8, rows, columns));
    infos.add(info(prefix + SCALE, grouped.scaleType(), rows, groups));
    if (!grouped.scheme().symmetric()) {
      infos.add(info(prefix + ZERO_POINT, DType.I8, rows, groups));
    }
    if (grouped.groupIndex()) {
      infos.add(info(prefix + GROUP_INDEX, DType.I32, columns));
    }
    var activations = grouped.activations();
    if (activations.calibrated()) {
      infos.add(info(prefix + Layer.inputScaleName(activations), DType.F32, 1));
    }
    return infos;
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
            case WEIGHT -> bytes(info, quantized.codes());
            case SCALE -> quantized.scales().reshape(info.shape());
            case ZERO_POINT -> bytes(info, quantized.zeros());
            case GROUP_INDEX -> Layer.groupIndex(quantized);
            default -> Layer.inputScale(prefix, quantized);
          });
    }
    return tensors;
  }

  private static Tensor bytes(TensorInfo info, byte[] values) {
    return new Tensor(info.dtype(), info.shape(), MemorySegment.ofArray(values));
  }

  @Override
  public GroupQuantized decode(String prefix, Encoding encoding, TensorSource source) {
    var scheme = Layer.grouped(encoding, NAME).scheme();
    var layer = new Layer(prefix, source);
    var weight = layer.matrix(WEIGHT, DType.I8);
    layer.checkSize(WEIGHT, weight.shape()[0], weight.shape()[1]);
    int rows = (int) weight.shape()[0];
    int columns = (int) weight.shape()[1];
    int groups = scheme.groups(columns);
    return new GroupQuantized(
        scheme,
        rows,
        columns,
        layer.codes(WEIGHT, weight, scheme),
        layer.scales(rows, groups),
        scheme.symmetric() ? null : layer.plainZeros(scheme, rows, groups),
        layer.groupIndex(columns, groups),
        layer.inputScale(scheme.activations()));
  }
}
