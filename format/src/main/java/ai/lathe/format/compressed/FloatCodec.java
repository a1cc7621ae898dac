package ai.lathe.format.compressed;

import static ai.lathe.format.compressed.Layer.INPUT_GLOBAL_SCALE;
import static ai.lathe.format.compressed.Layer.INPUT_SCALE;
import static ai.lathe.format.compressed.Layer.SCALE;
import static ai.lathe.format.compressed.Layer.info;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.GroupScale;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.ScaleTile;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Small floating-point codes with scales.
 *
 * <ul>
 *   <li>{@code weight} F8_E4M3 {@code [out, in]}; of 4-bit types {@code weight_packed} U8 {@code
 *       [out, in / 2]}, the even input in the low half
 *   <li>{@code weight_scale}: {@code [1]} for the tensor, {@code [out, 1]} for rows, {@code [out,
 *       groups]}, {@code [block rows, block columns]}. The exponent byte of a power of two in U8;
 *       F8_E4M3 under a global scale
 *   <li>{@code weight_global_scale} F32 {@code [1]}, which <em>divides</em> the scales
 *   <li>{@code input_scale} F32 {@code [1]}, of inputs with one static scale; {@code
 *       input_global_scale} likewise divides the scales of groups of inputs
 * </ul>
 */
final class FloatCodec implements ConfiguredCodec {

  /** FP8 weights under quantized inputs. */
  static final FloatCodec FLOAT = new FloatCodec("float-quantized", FloatType.E4M3);

  /** FP8 weights alone. */
  static final FloatCodec NAIVE = new FloatCodec("naive-quantized", FloatType.E4M3);

  static final FloatCodec MXFP8 = new FloatCodec("mxfp8-quantized", FloatType.E4M3);
  static final FloatCodec MXFP4 = new FloatCodec("mxfp4-pack-quantized", FloatType.E2M1);
  static final FloatCodec NVFP4 = new FloatCodec("nvfp4-pack-quantized", FloatType.E2M1);

  /** Lathe's own: the Python package knows no E5M2. */
  static final FloatCodec E5M2 = new FloatCodec("float-e5m2-quantized", FloatType.E5M2);

  private static final String WEIGHT = ".weight";
  private static final String PACKED = ".weight_packed";
  private static final String GLOBAL_SCALE = ".weight_global_scale";

  private final String name;
  private final FloatType type;

  private FloatCodec(String name, FloatType type) {
    this.name = name;
    this.type = type;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public boolean standard() {
    return this != E5M2;
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return encoding instanceof Encoding.Floats(FloatScheme scheme, _) && of(scheme) == this;
  }

  /** The format of a scheme; null where there is none. */
  private static FloatCodec of(FloatScheme scheme) {
    int group = scheme.tile().rows() == 1 ? scheme.tile().columns() : 0;
    return switch (scheme.type()) {
      case E5M2 -> scheme.scale() == GroupScale.FLOAT ? E5M2 : null;
      case E2M1 ->
          switch (scheme.scale()) {
            case FLOAT -> null;
            case E8M0 -> group == 32 ? MXFP4 : null;
            case E4M3_GLOBAL -> group == 16 ? NVFP4 : null;
          };
      case E4M3 ->
          switch (scheme.scale()) {
            case FLOAT -> scheme.activations() instanceof Activations.None ? NAIVE : FLOAT;
            case E8M0 -> group == 32 ? MXFP8 : null;
            case E4M3_GLOBAL -> null;
          };
    };
  }

  private String codes() {
    return type.bits() == 4 ? PACKED : WEIGHT;
  }

  @Override
  public List<String> suffixes() {
    return List.of(codes(), SCALE, GLOBAL_SCALE, INPUT_SCALE, INPUT_GLOBAL_SCALE);
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    var shape = source.info(prefix + codes()).shape().clone();
    if (type.bits() == 4 && shape.length == 2 && shape[1] <= Integer.MAX_VALUE) {
      shape[1] *= 2;
    }
    return shape;
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    return FloatArguments.write(scheme(encoding), order);
  }

  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    var scheme = FloatArguments.read(weights, type, activations);
    var format = of(scheme);
    // Weights alone under the name of the format for quantized inputs, and the reverse, are read.
    boolean plain = format == FLOAT || format == NAIVE;
    if (format != this && !(plain && (this == FLOAT || this == NAIVE))) {
      throw new FormatException(
          "%s: %s does not store %s%s"
              .formatted(
                  weights.where(),
                  name,
                  scheme.label(),
                  format == null ? "" : ", which is " + format.name));
    }
    return Encoding.Floats.of(scheme, DType.F32);
  }

  private FloatScheme scheme(Encoding encoding) {
    if (encoding instanceof Encoding.Floats(FloatScheme scheme, _)) {
      return scheme;
    }
    throw new LatheException(name + " stores small floats with scales, not " + encoding.label());
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var scheme = scheme(encoding);
    var infos = new ArrayList<TensorInfo>();
    infos.add(
        switch (type) {
          case E2M1 -> info(prefix + PACKED, DType.U8, rows, Math.ceilDiv(columns, 2));
          case E4M3 -> info(prefix + WEIGHT, DType.F8_E4M3, rows, columns);
          case E5M2 -> info(prefix + WEIGHT, DType.F8_E5M2, rows, columns);
        });
    var tile = scheme.tile();
    long[] scales =
        tile.equals(ScaleTile.TENSOR)
            ? new long[] {1}
            : new long[] {tile.down(rows), tile.across(columns)};
    var scaleType = ((Encoding.Floats) encoding).scaleType();
    infos.add(
        new TensorInfo(prefix + SCALE, scaleType == DType.F8_E8M0 ? DType.U8 : scaleType, scales));
    if (scheme.global()) {
      infos.add(info(prefix + GLOBAL_SCALE, DType.F32, 1));
    }
    if (scheme.activations().calibrated()) {
      infos.add(info(prefix + Layer.inputScaleName(scheme.activations()), DType.F32, 1));
    }
    return infos;
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    if (!(weight instanceof FloatQuantized quantized) || !canEncode(weight.encoding())) {
      throw new LatheException(name + " cannot store " + weight.encoding().label());
    }
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var info : layout(prefix, weight.encoding(), weight.rows(), weight.columns())) {
      tensors.put(
          info.name(),
          switch (info.name().substring(prefix.length())) {
            case WEIGHT ->
                new Tensor(info.dtype(), info.shape(), MemorySegment.ofArray(quantized.codes()));
            case PACKED -> new Tensor(info.dtype(), info.shape(), packed(quantized));
            case SCALE -> new Tensor(info.dtype(), info.shape(), quantized.scales().data());
            case GLOBAL_SCALE -> Tensor.ofFloats(new float[] {quantized.globalScale()}, 1);
            default -> Layer.inputScale(prefix, quantized);
          });
    }
    return tensors;
  }

  private static MemorySegment packed(FloatQuantized weight) {
    int columns = weight.columns();
    int width = Math.ceilDiv(columns, 2);
    var bytes = new byte[Math.multiplyExact(weight.rows(), width)];
    for (int row = 0; row < weight.rows(); row++) {
      for (int j = 0; j < columns; j++) {
        int code = weight.codes()[row * columns + j] & 15;
        bytes[row * width + j / 2] |= (byte) (code << 4 * (j & 1));
      }
    }
    return MemorySegment.ofArray(bytes);
  }

  @Override
  public FloatQuantized decode(String prefix, Encoding encoding, TensorSource source) {
    var scheme = scheme(encoding);
    var layer = new Layer(prefix, source);
    var stored =
        layer.matrix(
            codes(),
            switch (type) {
              case E2M1 -> DType.U8;
              case E4M3 -> DType.F8_E4M3;
              case E5M2 -> DType.F8_E5M2;
            });
    var shape = shape(prefix, encoding, source);
    layer.checkSize(codes(), shape[0], shape[1]);
    int rows = (int) shape[0];
    int columns = (int) shape[1];
    var tile = scheme.tile();
    if (tile.rows() == 1 && tile.columns() > 0 && columns % tile.columns() != 0) {
      throw layer.wrong(codes(), "rows of whole groups of " + tile.columns(), stored);
    }
    var codes = stored.data().toArray(ValueLayout.JAVA_BYTE);
    return new FloatQuantized(
        scheme,
        rows,
        columns,
        type.bits() == 4 ? unpacked(codes) : codes,
        scales(layer, scheme, tile.down(rows), tile.across(columns)),
        scheme.global() ? layer.positive(GLOBAL_SCALE) : 1,
        layer.inputScale(scheme.activations()));
  }

  private static byte[] unpacked(byte[] packed) {
    var codes = new byte[2 * packed.length];
    for (int i = 0; i < packed.length; i++) {
      codes[2 * i] = (byte) (packed[i] & 15);
      codes[2 * i + 1] = (byte) (packed[i] >> 4 & 15);
    }
    return codes;
  }

  private static Tensor scales(Layer layer, FloatScheme scheme, int down, int across) {
    if (scheme.scale() == GroupScale.FLOAT) {
      return layer.scales(down, across);
    }
    var stored = layer.source().tensor(layer.prefix() + SCALE);
    boolean power = scheme.scale() == GroupScale.E8M0;
    boolean typed =
        power
            ? stored.dtype() == DType.U8 || stored.dtype() == DType.F8_E8M0
            : stored.dtype() == DType.F8_E4M3;
    if (!typed || stored.elements() != (long) down * across) {
      throw layer.wrong(
          SCALE,
          "one %s for each of %d rows and %d groups"
              .formatted(power ? "exponent byte" : "F8_E4M3", down, across),
          stored);
    }
    return new Tensor(
        power ? DType.F8_E8M0 : DType.F8_E4M3, new long[] {down, across}, stored.data());
  }
}
