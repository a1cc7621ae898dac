package ai.lathe.format;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.util.List;
import java.util.Map;

/**
 * How one {@link LinearWeight} becomes named plain tensors of a safetensors file, and comes back. A
 * codec knows nothing of how the weight was found.
 */
public interface WeightCodec {

  /** The name in {@code quantization_config.format}, for example {@code pack-quantized}. */
  String name();

  boolean canEncode(Encoding encoding);

  /** Endings of all tensor names that it may use, after the layer's own name. */
  List<String> suffixes();

  /** Endings of which at least one is there wherever a layer is stored so. */
  default List<String> marks() {
    return List.of(suffixes().getFirst());
  }

  /** Endings that may stand beside a mark, be it one of this codec or of another around it. */
  default List<String> companions() {
    return suffixes().subList(1, suffixes().size());
  }

  /** {@code [out, in]} of a stored layer, by what is cheap to read. */
  long[] shape(String prefix, Encoding encoding, TensorSource source);

  /**
   * The tensors that {@link #encode} will give, for a layer {@code prefix} (without {@code
   * .weight}): a header can be written before the data.
   */
  List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns);

  /**
   * Those of {@link #layout} whose values follow from the shape alone: an unfinished file that
   * holds them can be read as far as it goes.
   */
  default Map<String, Tensor> constants(String prefix, Encoding encoding, int rows, int columns) {
    return Map.of();
  }

  /** By full tensor name; exactly the names, types and shapes of {@link #layout}. */
  Map<String, Tensor> encode(String prefix, LinearWeight weight);

  /** The inverse. The encoding's scheme comes from the configuration beside the tensors. */
  LinearWeight decode(String prefix, Encoding encoding, TensorSource source);

  /** Exact bytes of all tensors of {@link #layout}. */
  default long bytes(Encoding encoding, int rows, int columns) {
    return layout("", encoding, rows, columns).stream().mapToLong(TensorInfo::bytes).sum();
  }

  /**
   * The scale type that a model of element type {@code model} gets: bfloat16 for bfloat16, float16
   * for everything else.
   */
  static DType scaleType(DType model) {
    return model == DType.BF16 ? DType.BF16 : DType.F16;
  }
}
