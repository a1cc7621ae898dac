package ai.lathe.format.gptq;

import ai.lathe.format.FormatException;
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
 * A layer of a GPTQ checkpoint.
 *
 * <ul>
 *   <li>{@code qweight} I32 {@code [in * bits / 32, out]}, packed along the inputs
 *   <li>{@code qzeros} I32 {@code [groups, out * bits / 32]}, packed along the outputs
 *   <li>{@code scales} F16 {@code [groups, out]}
 *   <li>{@code g_idx} I32 {@code [in]}, the group of each input; may be left out where groups are
 *       consecutive
 * </ul>
 *
 * <p>Codes are unsigned, least significant bits first, 32 of them in {@code bits} words: what the
 * 3-bit layout spells out by hand. Symmetric layers store the zero point {@code 2^(bits-1)}.
 *
 * @param bits 2, 3, 4 or 8
 * @param lessOne the first version of the format, which stores zero points less one, modulo {@code
 *     2^bits}
 */
record GptqCodec(int bits, boolean lessOne) implements WeightCodec {

  static final List<Integer> WIDTHS = List.of(2, 3, 4, 8);

  private static final String WEIGHT = ".qweight";
  private static final String ZEROS = ".qzeros";
  private static final String SCALES = ".scales";
  private static final String GROUP_INDEX = ".g_idx";

  static final List<String> SUFFIXES = List.of(WEIGHT, ZEROS, SCALES, GROUP_INDEX);

  @Override
  public String name() {
    return "gptq";
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return GptqFormat.holds(encoding) && ((Encoding.Grouped) encoding).scheme().bits() == bits;
  }

  @Override
  public List<String> suffixes() {
    return SUFFIXES;
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    var packed = source.info(prefix + WEIGHT).shape();
    if (packed.length != 2 || packed[0] > Integer.MAX_VALUE || packed[0] * 32 % bits != 0) {
      throw new FormatException(
          "'" + prefix + WEIGHT + "' is not packed in words of " + bits + " bits");
    }
    return new long[] {packed[1], packed[0] * 32 / bits};
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var scheme = ((Encoding.Grouped) encoding).scheme();
    int groups = scheme.groups(columns);
    return List.of(
        new TensorInfo(prefix + WEIGHT, DType.I32, new long[] {words(columns), rows}),
        new TensorInfo(prefix + ZEROS, DType.I32, new long[] {groups, words(rows)}),
        new TensorInfo(prefix + SCALES, DType.F16, new long[] {groups, rows}),
        new TensorInfo(prefix + GROUP_INDEX, DType.I32, new long[] {columns}));
  }

  private long words(long count) {
    return Packing.DENSE.words(count, bits);
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    if (!(weight instanceof GroupQuantized quantized) || !canEncode(weight.encoding())) {
      throw new LatheException("a GPTQ checkpoint cannot store " + weight.encoding().label());
    }
    int rows = weight.rows();
    int columns = weight.columns();
    int groups = quantized.scheme().groups(columns);
    var infos = layout(prefix, weight.encoding(), rows, columns).iterator();
    var tensors = new LinkedHashMap<String, Tensor>();

    var codes = Transposed.of(quantized.codes(), rows, columns);
    var packed = tensor(infos.next(), tensors);
    for (int row = 0; row < rows; row++) {
      Packing.packDense(codes, row, columns, bits, rows, packed.data(), row);
    }
    var zeros = storedZeros(quantized, rows, groups);
    var packedZeros = tensor(infos.next(), tensors);
    for (int group = 0; group < groups; group++) {
      long at = group * packedZeros.shape()[1];
      Packing.packDense(zeros, group * rows, rows, bits, 1, packedZeros.data(), at);
    }
    var scales = tensor(infos.next(), tensors);
    var values = Transposed.of(quantized.scales().toFloats(), rows, groups);
    Tensor.putFloats(DType.F16, values, values.length, scales.data(), 0);

    var index = tensor(infos.next(), tensors);
    int size = groupSize(quantized.scheme(), columns);
    for (int j = 0; j < columns; j++) {
      int group = quantized.groupIndex() == null ? j / size : quantized.groupIndex()[j];
      index.data().set(Layer.INT, j * 4L, group);
    }
    return tensors;
  }

  private static Tensor tensor(TensorInfo info, Map<String, Tensor> tensors) {
    var data = MemorySegment.ofArray(new byte[Math.toIntExact(info.bytes())]);
    var tensor = new Tensor(info.dtype(), info.shape(), data);
    tensors.put(info.name(), tensor);
    return tensor;
  }

  /** {@code [groups, rows]}; the code 0 of the scheme is {@code 2^(bits-1)} in the file. */
  private byte[] storedZeros(GroupQuantized weight, int rows, int groups) {
    var zeros =
        weight.zeros() == null
            ? new byte[rows * groups]
            : Transposed.of(weight.zeros(), rows, groups);
    return lessOne ? shifted(zeros, -1) : zeros;
  }

  /** Codes moved by {@code by}, modulo {@code 2^bits}. */
  private byte[] shifted(byte[] codes, int by) {
    int lift = 1 << bits - 1;
    int mask = (1 << bits) - 1;
    var moved = new byte[codes.length];
    for (int i = 0; i < codes.length; i++) {
      moved[i] = (byte) ((codes[i] + lift + by & mask) - lift);
    }
    return moved;
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
    var packedZeros = layer.matrix(ZEROS, DType.I32);
    if (packedZeros.shape()[0] != groups || packedZeros.shape()[1] != words(rows)) {
      throw layer.wrong(ZEROS, "of " + rows + " outputs in " + groups + " groups", packedZeros);
    }
    var scales = Transposed.scales(layer, SCALES, rows, groups);
    var codes = new byte[rows * columns];
    for (int row = 0; row < rows; row++) {
      Packing.DENSE.unpack(packed.data(), row, codes, row, columns, bits, rows);
    }
    var zeros = new byte[rows * groups];
    for (int group = 0; group < groups; group++) {
      long at = group * packedZeros.shape()[1];
      Packing.DENSE.unpack(packedZeros.data(), at, zeros, group * rows, rows, bits, 1);
    }
    return Transposed.weight(
        new IntegerScheme(bits, declared.groupSize(), true, declared.activations()),
        rows,
        columns,
        codes,
        lessOne ? shifted(zeros, 1) : zeros,
        scales,
        groupIndex(layer, declared, columns, groups));
  }

  private static int[] groupIndex(Layer layer, IntegerScheme scheme, int columns, int groups) {
    var index = layer.groupIndex(GROUP_INDEX, columns, groups);
    if (index == null) {
      return null;
    }
    int size = groupSize(scheme, columns);
    boolean consecutive = true;
    for (int j = 0; j < columns; j++) {
      consecutive &= index[j] == j / size;
    }
    return consecutive ? null : index;
  }

  private static int groupSize(IntegerScheme scheme, int columns) {
    return scheme.groupSize() == IntegerScheme.CHANNEL ? columns : scheme.groupSize();
  }
}
