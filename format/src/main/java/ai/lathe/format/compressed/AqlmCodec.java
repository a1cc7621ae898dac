package ai.lathe.format.compressed;

import static ai.lathe.format.compressed.Layer.info;

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
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * AQLM: scaled groups that are sums of codebook entries, with the names, types and shapes of the
 * aqlm package's {@code QuantizedLinear}:
 *
 * <ul>
 *   <li>{@code codes} I8 or I16 {@code [out / out_group, in / in_group, M]}, which as unsigned
 *       numbers name entries, for codes of 8 or 16 bits. For all others, which that package would
 *       store in the next larger type, I32 {@code [out / out_group, words]}: the codes of a row of
 *       blocks one after the other, those of a block together, least significant bits first
 *   <li>{@code codebooks} F16 {@code [M, 2^bits, out_group, in_group]}
 *   <li>{@code scales} F16 {@code [out / out_group, 1, 1, 1]}
 *   <li>{@code weight_shape} I64 {@code [2]}, which that package takes from the model
 * </ul>
 *
 * @see <a href="https://github.com/Vahe1994/AQLM">AQLM</a>
 */
public final class AqlmCodec implements ConfiguredCodec {

  static final String NAME = "aqlm";
  private static final String CODES = ".codes";
  private static final String CODEBOOKS = ".codebooks";
  private static final String SCALES = ".scales";

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
        && codebooks.scaled()
        && codebooks.bits().stream().distinct().count() == 1;
  }

  @Override
  public List<String> suffixes() {
    return List.of(CODES, CODEBOOKS, SCALES, CodebookLayer.SHAPE);
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    return Layer.storedShape(prefix + CodebookLayer.SHAPE, source);
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    var codebooks = CodebookLayer.codebooks(encoding, NAME);
    return Json.object()
        .put("type", "codebooks")
        .put("in_group_size", codebooks.inGroup())
        .put("out_group_size", codebooks.outGroup())
        .put("num_codebooks", codebooks.bits().size())
        .put("nbits_per_codebook", codebooks.bits().getFirst());
  }

  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    return CodebookLayer.read(
        weights,
        activations,
        () -> {
          int count = CodebookLayer.small(weights, "num_codebooks");
          int bits = weights.requiredInteger("nbits_per_codebook");
          return new Codebooks(
              weights.integer("out_group_size").orElse(1),
              weights.requiredInteger("in_group_size"),
              Collections.nCopies(count, bits),
              true);
        });
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var codebooks = CodebookLayer.codebooks(encoding, NAME);
    int down = codebooks.blockRows(rows);
    int bits = codebooks.bits().getFirst();
    int count = codebooks.bits().size();
    return List.of(
        codebooks.wholeBytes()
            ? info(
                prefix + CODES,
                bits == 8 ? DType.I8 : DType.I16,
                down,
                codebooks.blockColumns(columns),
                count)
            : info(prefix + CODES, DType.I32, down, codebooks.words(columns)),
        info(
            prefix + CODEBOOKS,
            DType.F16,
            count,
            1L << bits,
            codebooks.outGroup(),
            codebooks.inGroup()),
        info(prefix + SCALES, DType.F16, down, 1, 1, 1),
        info(prefix + CodebookLayer.SHAPE, DType.I64, 2));
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
            case CODES -> codes(info, quantized);
            case CODEBOOKS -> CodebookLayer.half(info, quantized.codebooks());
            case SCALES -> CodebookLayer.half(info, quantized.scales());
            default -> Layer.shapeTensor(weight.rows(), weight.columns());
          });
    }
    return tensors;
  }

  /** Codes of 8 and of 16 bits are packed into exactly the bytes of that type. */
  private static Tensor codes(TensorInfo info, CodebookQuantized weight) {
    var data = MemorySegment.ofArray(new byte[Math.toIntExact(info.bytes())]);
    long rowBytes = info.bytes() / info.shape()[0];
    CodebookLayer.pack(weight, data, rowBytes);
    return new Tensor(info.dtype(), info.shape(), data);
  }

  @Override
  public CodebookQuantized decode(String prefix, Encoding encoding, TensorSource source) {
    var codebooks = CodebookLayer.codebooks(encoding, NAME);
    var layer = new CodebookLayer(new Layer(prefix, source), this, codebooks);
    var expected = layer.expected();
    var stored = layer.tensor(expected.get(0));
    var books = layer.floats(expected.get(1));
    var scales = layer.floats(expected.get(2));
    int count = codebooks.bits().size();
    var parts = new float[count][];
    int size = books.length / count;
    for (int m = 0; m < count; m++) {
      parts[m] = java.util.Arrays.copyOfRange(books, m * size, (m + 1) * size);
    }
    return layer.weight(stored, parts, scales);
  }
}
