package ai.lathe.format.awq;

import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.WeightCodec;
import ai.lathe.format.compressed.Layer;
import ai.lathe.format.compressed.Packing;
import ai.lathe.format.compressed.Transposed;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A layer in AutoAWQ's GEMM layout.
 *
 * <ul>
 *   <li>{@code qweight} I32 {@code [in, out / 8]}, eight codes of neighbouring outputs a word
 *   <li>{@code qzeros} I32 {@code [groups, out / 8]}, likewise
 *   <li>{@code scales} F16 {@code [groups, out]}
 * </ul>
 *
 * <p>Within a word the codes of outputs 0 to 7 stand in the order 0, 2, 4, 6, 1, 3, 5, 7, least
 * significant bits first. Symmetric layers store the zero point 8.
 */
final class AwqCodec implements WeightCodec {

  static final int BITS = 4;

  private static final int[] ORDER = {0, 2, 4, 6, 1, 3, 5, 7};
  private static final String WEIGHT = ".qweight";
  private static final String ZEROS = ".qzeros";
  private static final String SCALES = ".scales";

  static final List<String> SUFFIXES = List.of(WEIGHT, ZEROS, SCALES);

  @Override
  public String name() {
    return "awq";
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return AwqFormat.holds(encoding);
  }

  @Override
  public List<String> suffixes() {
    return SUFFIXES;
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    var layer = new Layer(prefix, source);
    var packed = source.info(prefix + WEIGHT).shape();
    if (packed.length != 2 || packed[1] > Integer.MAX_VALUE) {
      throw layer.wrong(WEIGHT, "a matrix of words", source.tensor(prefix + WEIGHT));
    }
    return new long[] {packed[1] * ORDER.length, packed[0]};
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    int groups = ((Encoding.Grouped) encoding).scheme().groups(columns);
    long words = rows / ORDER.length;
    return List.of(
        new TensorInfo(prefix + WEIGHT, DType.I32, new long[] {columns, words}),
        new TensorInfo(prefix + ZEROS, DType.I32, new long[] {groups, words}),
        new TensorInfo(prefix + SCALES, DType.F16, new long[] {groups, rows}));
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    if (!(weight instanceof GroupQuantized quantized) || !canEncode(weight.encoding())) {
      throw new LatheException("an AWQ checkpoint cannot store " + weight.encoding().label());
    }
    int rows = weight.rows();
    int columns = weight.columns();
    int groups = quantized.scheme().groups(columns);
    var zeros = quantized.zeros() == null ? new byte[rows * groups] : quantized.zeros();
    var values = Transposed.of(quantized.scales().toFloats(), rows, groups);
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var info : layout(prefix, weight.encoding(), rows, columns)) {
      var data = MemorySegment.ofArray(new byte[Math.toIntExact(info.bytes())]);
      if (info.name().endsWith(SCALES)) {
        Tensor.putFloats(DType.F16, values, values.length, data, 0);
      } else if (info.name().endsWith(ZEROS)) {
        pack(Transposed.of(zeros, rows, groups), data);
      } else {
        pack(Transposed.of(quantized.codes(), rows, columns), data);
      }
      tensors.put(info.name(), new Tensor(info.dtype(), info.shape(), data));
    }
    return tensors;
  }

  private static void pack(byte[] codes, MemorySegment words) {
    var ordered = new byte[codes.length];
    for (int i = 0; i < codes.length; i++) {
      ordered[i] = codes[i - i % ORDER.length + ORDER[i % ORDER.length]];
    }
    Packing.packDense(ordered, 0, ordered.length, BITS, 1, words, 0);
  }

  private static byte[] unpack(MemorySegment words, int count) {
    var ordered = new byte[count];
    Packing.DENSE.unpack(words, 0, ordered, 0, count, BITS, 1);
    var codes = new byte[count];
    for (int i = 0; i < count; i++) {
      codes[i - i % ORDER.length + ORDER[i % ORDER.length]] = ordered[i];
    }
    return codes;
  }

  @Override
  public GroupQuantized decode(String prefix, Encoding encoding, TensorSource source) {
    var declared = ((Encoding.Grouped) encoding).scheme();
    var layer = new Layer(prefix, source);
    var packed = layer.matrix(WEIGHT, DType.I32);
    var shape = shape(prefix, encoding, source);
    layer.checkSize(WEIGHT, shape[0], shape[1]);
    int rows = (int) shape[0];
    int columns = (int) shape[1];
    int groups = declared.groups(columns);
    layer.checkSize(ZEROS, rows, groups);
    var scales = Transposed.scales(layer, SCALES, rows, groups);
    var zeros = new byte[rows * groups];
    if (layer.has(ZEROS)) {
      var packedZeros = layer.matrix(ZEROS, DType.I32);
      if (packedZeros.shape()[0] != groups || packedZeros.shape()[1] != packed.shape()[1]) {
        throw layer.wrong(ZEROS, "of " + rows + " outputs in " + groups + " groups", packedZeros);
      }
      zeros = unpack(packedZeros.data(), zeros.length);
    }
    return Transposed.weight(
        new IntegerScheme(BITS, declared.groupSize(), true, declared.activations()),
        rows,
        columns,
        unpack(packed.data(), rows * columns),
        zeros,
        scales,
        null);
  }
}
