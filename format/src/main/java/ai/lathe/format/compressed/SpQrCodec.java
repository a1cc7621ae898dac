package ai.lathe.format.compressed;

import static ai.lathe.format.compressed.Layer.info;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.BilevelQuantized;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.SparseRows;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * SpQR: codes of two levels, and outliers as compressed sparse rows.
 *
 * <ul>
 *   <li>{@code weight_shape} I64 {@code [2]}
 *   <li>{@code dense_weights} I32 {@code [out, ceil(in * bits / 32)]}: the codes in the order of
 *       {@code in_perm}, packed densely, least significant bits first
 *   <li>{@code quant_layer_scale} and {@code quant_layer_zeros} I32 {@code [ceil(out * bits / 32),
 *       groups]}: their codes, packed along the first dimension
 *   <li>{@code quant_layer_scale_qq_scale}, {@code quant_layer_scale_qq_zero}, {@code
 *       quant_layer_zero_qq_scale} and {@code quant_layer_zero_qq_zero} F16 {@code [groups,
 *       ceil(out / qq_groupsize)]}
 *   <li>{@code in_perm} U16 {@code [in]}: the input at each position; only where {@code actorder}
 *       is {@code group}
 *   <li>{@code row_offsets} I32 {@code [out + 1]} and {@code col_vals} I32 {@code [outliers]}: the
 *       input in the lower half of a word, in the upper half a float16 that is added to what the
 *       codes give; words after the last row's are zero. Only where {@code outlier_share} is above
 *       0; there are {@code floor(outlier_share * out * in)} words
 * </ul>
 *
 * The names are those of the authors' programs ({@code quant_*} where they save codes, the others
 * where they run them); the authors number outliers' inputs by position, and let an outlier's value
 * take the place of the code's instead of adding to it.
 *
 * @see <a href="https://github.com/Vahe1994/SpQR">SpQR</a>
 */
public final class SpQrCodec implements ConfiguredCodec {

  static final String NAME = "spqr";
  private static final String SHAPE = ".weight_shape";
  private static final String CODES = ".dense_weights";
  private static final String SCALE_CODES = ".quant_layer_scale";
  private static final String ZERO_CODES = ".quant_layer_zeros";
  private static final List<String> SECOND =
      List.of(
          ".quant_layer_scale_qq_scale",
          ".quant_layer_scale_qq_zero",
          ".quant_layer_zero_qq_scale",
          ".quant_layer_zero_qq_zero");
  private static final String ORDER = ".in_perm";
  private static final String OFFSETS = ".row_offsets";
  private static final String PAIRS = ".col_vals";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean standard() {
    return false;
  }

  /** The dense part, and whether there are outliers. */
  private record Parts(Encoding.Bilevel dense, Encoding.SparseRows outliers) {

    static Parts of(Encoding encoding) {
      return switch (encoding) {
        case Encoding.Bilevel dense -> new Parts(dense, null);
        case Encoding.Sum(var parts)
            when parts.size() == 2
                && parts.getFirst() instanceof Encoding.Bilevel dense
                && parts.getLast() instanceof Encoding.SparseRows outliers
                && outliers.values() == DType.F16 ->
            new Parts(dense, outliers);
        default -> null;
      };
    }
  }

  private static Parts parts(Encoding encoding) {
    var parts = Parts.of(encoding);
    if (parts == null) {
      throw new LatheException(NAME + " cannot store " + encoding.label());
    }
    return parts;
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return Parts.of(encoding) != null;
  }

  @Override
  public List<String> suffixes() {
    var suffixes = new ArrayList<>(List.of(CODES, SHAPE, SCALE_CODES, ZERO_CODES));
    suffixes.addAll(SECOND);
    suffixes.addAll(List.of(ORDER, OFFSETS, PAIRS));
    return suffixes;
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    return Layer.storedShape(prefix + SHAPE, source);
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    var parts = parts(encoding);
    var dense = parts.dense;
    var weights = Json.object();
    weights.put("num_bits", dense.bits()).put("type", "int").put("symmetric", false);
    weights.put("strategy", "group").put("group_size", dense.groupSize()).put("dynamic", false);
    weights.put(
        "actorder", dense.permuted() ? "group" : order == ActivationOrder.STATIC ? "static" : null);
    weights.put("qq_scale_bits", dense.scaleBits()).put("qq_zero_bits", dense.zeroBits());
    weights.put("qq_groupsize", dense.tall());
    if (parts.outliers != null) {
      weights.put("outlier_share", parts.outliers.share());
    }
    return weights;
  }

  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    if (!(activations instanceof Activations.None)) {
      throw new FormatException(weights.where() + ": " + NAME + " leaves inputs as they are");
    }
    try {
      var dense =
          new Encoding.Bilevel(
              weights.requiredInteger("num_bits"),
              weights.requiredInteger("group_size"),
              weights.requiredInteger("qq_scale_bits"),
              weights.requiredInteger("qq_zero_bits"),
              weights.requiredInteger("qq_groupsize"),
              QuantizationConfigReader.order(weights) == ActivationOrder.GROUP);
      double share = weights.positive("outlier_share", 0);
      return share == 0
          ? dense
          : new Encoding.Sum(List.of(dense, new Encoding.SparseRows(share, DType.F16)));
    } catch (FormatException e) {
      throw e;
    } catch (LatheException e) {
      throw new FormatException(weights.where() + ": " + e.getMessage(), e);
    }
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var parts = parts(encoding);
    var dense = parts.dense;
    int groups = dense.groups(columns);
    var infos = new ArrayList<TensorInfo>();
    infos.add(info(prefix + SHAPE, DType.I64, 2));
    infos.add(info(prefix + CODES, DType.I32, rows, words(columns, dense.bits())));
    infos.add(info(prefix + SCALE_CODES, DType.I32, words(rows, dense.scaleBits()), groups));
    infos.add(info(prefix + ZERO_CODES, DType.I32, words(rows, dense.zeroBits()), groups));
    for (var suffix : SECOND) {
      infos.add(info(prefix + suffix, DType.F16, groups, dense.tiles(rows)));
    }
    if (dense.permuted()) {
      infos.add(info(prefix + ORDER, DType.U16, columns));
    }
    if (parts.outliers != null) {
      infos.add(info(prefix + OFFSETS, DType.I32, rows + 1));
      infos.add(info(prefix + PAIRS, DType.I32, parts.outliers.capacity(rows, columns)));
    }
    return infos;
  }

  private static long words(int count, int bits) {
    return Packing.DENSE.words(count, bits);
  }

  @Override
  public Map<String, Tensor> constants(String prefix, Encoding encoding, int rows, int columns) {
    return Map.of(prefix + SHAPE, Layer.shapeTensor(rows, columns));
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    var encoding = parts(weight.encoding()).dense;
    var dense = (BilevelQuantized) (weight instanceof Sum(var both) ? both.getFirst() : weight);
    int groups = encoding.groups(dense.columns());
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var info : layout(prefix, weight.encoding(), weight.rows(), weight.columns())) {
      var data = MemorySegment.ofArray(new byte[Math.toIntExact(info.bytes())]);
      var suffix = info.name().substring(prefix.length());
      switch (suffix) {
        case SHAPE -> data = Layer.shapeTensor(weight.rows(), weight.columns()).data();
        case CODES -> pack(dense, data, info.shape()[1]);
        case SCALE_CODES ->
            pack(dense.scaleCodes(), encoding.scaleBits(), dense.rows(), groups, data);
        case ZERO_CODES -> pack(dense.zeroCodes(), encoding.zeroBits(), dense.rows(), groups, data);
        case ORDER -> {
          for (int i = 0; i < dense.columns(); i++) {
            data.set(Layer.SHORT, 2L * i, (short) dense.order()[i]);
          }
        }
        case OFFSETS, PAIRS -> sparse((SparseRows) ((Sum) weight).parts().getLast(), suffix, data);
        default ->
            data = dense.second().rows(SECOND.indexOf(suffix), SECOND.indexOf(suffix) + 1).data();
      }
      tensors.put(info.name(), new Tensor(info.dtype(), info.shape(), data));
    }
    return tensors;
  }

  private static void pack(BilevelQuantized weight, MemorySegment target, long words) {
    int n = weight.columns();
    int bits = weight.encoding().bits();
    var row = new byte[n];
    for (int i = 0; i < weight.rows(); i++) {
      for (int position = 0; position < n; position++) {
        int j = weight.order() == null ? position : weight.order()[position];
        row[position] = lowered(weight.codes()[i * n + j], bits);
      }
      Packing.packDense(row, 0, n, bits, 1, target, i * words);
    }
  }

  private static void pack(byte[] codes, int bits, int rows, int groups, MemorySegment target) {
    var signed = new byte[codes.length];
    for (int i = 0; i < codes.length; i++) {
      signed[i] = lowered(codes[i], bits);
    }
    for (int group = 0; group < groups; group++) {
      Packing.packDense(signed, group, rows, bits, groups, target, group);
    }
  }

  /** Packing takes signed codes. */
  private static byte lowered(byte code, int bits) {
    return (byte) (code - (1 << bits - 1));
  }

  private static byte raised(byte signed, int bits) {
    return (byte) (signed + (1 << bits - 1));
  }

  private static void sparse(SparseRows outliers, String suffix, MemorySegment target) {
    if (suffix.equals(OFFSETS)) {
      for (int i = 0; i <= outliers.rows(); i++) {
        target.set(Layer.INT, 4L * i, outliers.rowOffsets()[i]);
      }
      return;
    }
    var values = outliers.values().data();
    for (int i = 0; i < outliers.rowOffsets()[outliers.rows()]; i++) {
      target.set(
          Layer.INT, 4L * i, values.get(Layer.SHORT, 2L * i) << 16 | outliers.columnIds()[i]);
    }
  }

  @Override
  public LinearWeight decode(String prefix, Encoding encoding, TensorSource source) {
    var parts = parts(encoding);
    var layer = new Layer(prefix, source);
    var shape = shape(prefix, encoding, source);
    layer.checkSize(SHAPE, shape[0], shape[1]);
    int rows = (int) shape[0];
    int columns = (int) shape[1];
    if (columns % parts.dense.groupSize() != 0 || columns > Encoding.Bilevel.COLUMNS) {
      throw new FormatException(
          "'%s' has rows of %d, which groups of %d do not divide or 16 bits cannot number"
              .formatted(prefix, columns, parts.dense.groupSize()));
    }
    var stored = new LinkedHashMap<String, Tensor>();
    for (var info : layout("", encoding, rows, columns)) {
      var tensor = source.tensor(prefix + info.name());
      if (tensor.dtype() != info.dtype() || tensor.elements() != Tensor.elements(info.shape())) {
        throw layer.wrong(info.name(), info.toString(), tensor);
      }
      stored.put(info.name(), tensor.reshape(info.shape()));
    }
    var dense = dense(prefix, parts.dense, rows, columns, stored);
    return parts.outliers == null
        ? dense
        : new Sum(List.of(dense, outliers(prefix, parts.outliers, rows, columns, stored)));
  }

  private static BilevelQuantized dense(
      String prefix, Encoding.Bilevel encoding, int rows, int columns, Map<String, Tensor> stored) {
    int groups = encoding.groups(columns);
    int[] order = encoding.permuted() ? order(prefix, stored.get(ORDER)) : null;
    var codes = new byte[rows * columns];
    var row = new byte[columns];
    long words = words(columns, encoding.bits());
    for (int i = 0; i < rows; i++) {
      Packing.DENSE.unpack(
          stored.get(CODES).data(), i * words, row, 0, columns, encoding.bits(), 1);
      for (int position = 0; position < columns; position++) {
        int j = order == null ? position : order[position];
        codes[i * columns + j] = raised(row[position], encoding.bits());
      }
    }
    var second =
        MemorySegment.ofArray(new byte[Math.toIntExact(8L * groups * encoding.tiles(rows))]);
    long at = 0;
    for (var suffix : SECOND) {
      var part = stored.get(suffix).data();
      MemorySegment.copy(part, 0, second, at, part.byteSize());
      at += part.byteSize();
    }
    return new BilevelQuantized(
        encoding,
        rows,
        columns,
        codes,
        unpack(stored.get(SCALE_CODES), encoding.scaleBits(), rows, groups),
        unpack(stored.get(ZERO_CODES), encoding.zeroBits(), rows, groups),
        new Tensor(DType.F16, new long[] {4, groups, encoding.tiles(rows)}, second),
        order);
  }

  private static byte[] unpack(Tensor packed, int bits, int rows, int groups) {
    var codes = new byte[Math.multiplyExact(rows, groups)];
    for (int group = 0; group < groups; group++) {
      Packing.DENSE.unpack(packed.data(), group, codes, group, rows, bits, groups);
    }
    for (int i = 0; i < codes.length; i++) {
      codes[i] = raised(codes[i], bits);
    }
    return codes;
  }

  private static int[] order(String prefix, Tensor stored) {
    var order = new int[Math.toIntExact(stored.elements())];
    var seen = new boolean[order.length];
    for (int i = 0; i < order.length; i++) {
      int input = (int) stored.getLong(i);
      if (input >= order.length || seen[input]) {
        throw new FormatException(
            "'%s%s' is no order of %d inputs: %d is out of place"
                .formatted(prefix, ORDER, order.length, input));
      }
      seen[input] = true;
      order[i] = input;
    }
    return order;
  }

  private static SparseRows outliers(
      String prefix,
      Encoding.SparseRows encoding,
      int rows,
      int columns,
      Map<String, Tensor> stored) {
    var offsets = new int[rows + 1];
    for (int i = 0; i <= rows; i++) {
      offsets[i] = (int) stored.get(OFFSETS).getLong(i);
    }
    int capacity = encoding.capacity(rows, columns);
    var ids = new char[capacity];
    var values = MemorySegment.ofArray(new byte[Math.multiplyExact(2, capacity)]);
    var pairs = stored.get(PAIRS).data();
    for (int i = 0; i < capacity; i++) {
      int pair = pairs.get(Layer.INT, 4L * i);
      ids[i] = (char) pair;
      values.set(Layer.SHORT, 2L * i, (short) (pair >>> 16));
    }
    try {
      var tensor = new Tensor(DType.F16, new long[] {capacity}, values);
      return new SparseRows(encoding, rows, columns, offsets, ids, tensor);
    } catch (LatheException e) {
      throw new FormatException("'" + prefix + "': " + e.getMessage(), e);
    }
  }
}
