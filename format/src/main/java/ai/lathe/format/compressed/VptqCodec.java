package ai.lathe.format.compressed;

import static ai.lathe.format.compressed.Layer.info;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.CodebookQuantized;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Encoding.Codebooks;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * VPTQ: vectors of neighbouring outputs of one input, with the names, types and shapes of the vptq
 * package's {@code VQuantLinear} with packed indices, one group, and neither outliers, norm nor
 * permutation:
 *
 * <ul>
 *   <li>{@code indices} I32 {@code [1, ceil(out / v), words]}: for one input after the other {@code
 *       log2(K)} bits of the centroid, then those of the residual centroid, least significant first
 *   <li>{@code centroids.weight} F16 {@code [1, K * v]}
 *   <li>{@code res_centroids.weight} F16 {@code [1, K_res * v]}; only with a residual codebook
 *   <li>{@code weight_shape} I64 {@code [2]}, which that package takes from its configuration
 * </ul>
 *
 * @see <a href="https://github.com/microsoft/VPTQ">VPTQ</a>
 */
public final class VptqCodec implements ConfiguredCodec {

  static final String NAME = "vptq";
  private static final String INDICES = ".indices";
  private static final String CENTROIDS = ".centroids.weight";
  private static final String RESIDUAL = ".res_centroids.weight";

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
    return encoding instanceof Codebooks codebooks
        && !codebooks.scaled()
        && codebooks.inGroup() == 1
        && codebooks.bits().size() <= 2;
  }

  @Override
  public List<String> suffixes() {
    return List.of(INDICES, CENTROIDS, RESIDUAL, CodebookLayer.SHAPE);
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    return Layer.storedShape(prefix + CodebookLayer.SHAPE, source);
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    var codebooks = CodebookLayer.codebooks(encoding, NAME);
    var bits = codebooks.bits();
    return Json.object()
        .put("type", "codebooks")
        .put("vector_len", codebooks.outGroup())
        .put("num_centroids", 1 << bits.getFirst())
        .put("num_res_centroids", bits.size() == 1 ? -1 : 1 << bits.getLast());
  }

  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    return CodebookLayer.read(
        weights,
        activations,
        () -> {
          var bits = new ArrayList<Integer>();
          bits.add(bits(weights, "num_centroids"));
          if (weights.integer("num_res_centroids").orElse(-1) > 0) {
            bits.add(bits(weights, "num_res_centroids"));
          }
          return new Codebooks(weights.requiredInteger("vector_len"), 1, bits, false);
        });
  }

  private static int bits(JsonFields weights, String name) {
    int centroids = weights.requiredInteger(name);
    if (centroids < 2 || centroids > 1 << 16 || Integer.bitCount(centroids) != 1) {
      throw new FormatException(
          weights.where()
              + ": '"
              + name
              + "' should be a power of two from 2 to 65536, not "
              + centroids);
    }
    return Integer.numberOfTrailingZeros(centroids);
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var codebooks = CodebookLayer.codebooks(encoding, NAME);
    var infos = new ArrayList<TensorInfo>();
    infos.add(
        info(prefix + INDICES, DType.I32, 1, codebooks.blockRows(rows), codebooks.words(columns)));
    var names = List.of(CENTROIDS, RESIDUAL);
    for (int m = 0; m < codebooks.bits().size(); m++) {
      long numbers = (long) codebooks.blockSize() << codebooks.bits().get(m);
      infos.add(info(prefix + names.get(m), DType.F16, 1, numbers));
    }
    infos.add(info(prefix + CodebookLayer.SHAPE, DType.I64, 2));
    return infos;
  }

  @Override
  public Map<String, Tensor> constants(String prefix, Encoding encoding, int rows, int columns) {
    return Map.of(prefix + CodebookLayer.SHAPE, Layer.shapeTensor(rows, columns));
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    var quantized = CodebookLayer.weight(weight, this);
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var info : layout(prefix, weight.encoding(), weight.rows(), weight.columns())) {
      tensors.put(
          info.name(),
          switch (info.name().substring(prefix.length())) {
            case INDICES -> indices(info, quantized);
            case CENTROIDS -> CodebookLayer.half(info, quantized.codebooks()[0]);
            case RESIDUAL -> CodebookLayer.half(info, quantized.codebooks()[1]);
            default -> Layer.shapeTensor(weight.rows(), weight.columns());
          });
    }
    return tensors;
  }

  private static Tensor indices(TensorInfo info, CodebookQuantized weight) {
    var words = MemorySegment.ofArray(new byte[Math.toIntExact(info.bytes())]);
    CodebookLayer.pack(weight, words, 4 * info.shape()[2]);
    return new Tensor(info.dtype(), info.shape(), words);
  }

  @Override
  public CodebookQuantized decode(String prefix, Encoding encoding, TensorSource source) {
    var codebooks = CodebookLayer.codebooks(encoding, NAME);
    var layer = new CodebookLayer(new Layer(prefix, source), this, codebooks);
    var expected = layer.expected();
    var stored = layer.tensor(expected.get(0));
    var books = new float[codebooks.bits().size()][];
    for (int m = 0; m < books.length; m++) {
      books[m] = layer.floats(expected.get(1 + m));
    }
    return layer.weight(stored, books, null);
  }
}
