package ai.lathe.format.compressed;

import static ai.lathe.format.compressed.Layer.info;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Sparse weights that no other tool has a place for: codes of an integer grid under any pattern,
 * and plain values in blocks.
 *
 * <ul>
 *   <li>{@code sparse_values}: what is kept, row by row. Plain {@code [kept]}; codes as U8 {@code
 *       [ceil(kept * bits / 8)]} with {@code 2^(bits-1)} added, one after the other across rows,
 *       least significant bits first
 *   <li>{@code sparse_mask} U8 {@code [out, ceil(in / 8)]}: a bit a weight, the first input the
 *       lowest; in blocks of {@code R x C} a bit a block, {@code [out / R, ceil(in / C / 8)]}
 *   <li>{@code weight_shape} I64 {@code [2]}
 *   <li>{@code weight_scale} {@code [out, groups]}; where blocks are whole groups of one row {@code
 *       [kept groups]}, of kept groups alone
 *   <li>{@code weight_zero_point} I8, likewise; only where the scheme is asymmetric
 *   <li>{@code input_scale} F32 {@code [1]}; only where inputs have one static scale
 * </ul>
 *
 * {@code weights} of a group is that of other integers, or of {@code type} {@code float}, and has
 * {@code sparsity_structure} beside: {@code unstructured}, {@code 2:4}, {@code 4x1} and their like.
 */
public final class LatheSparse implements ConfiguredCodec {

  static final String NAME = "lathe-sparse";
  private static final String VALUES = ".sparse_values";
  private static final String MASK = ".sparse_mask";
  private static final String SHAPE = ".weight_shape";

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
    return encoding instanceof Encoding.Sparse(Pattern pattern, _, Encoding values)
        && (!(values instanceof Encoding.Plain(DType type))
            || pattern instanceof Pattern.Blocks && type.isFloat());
  }

  private static Encoding.Sparse sparse(Encoding encoding) {
    if (encoding instanceof Encoding.Sparse sparse) {
      return sparse;
    }
    throw new LatheException(NAME + " cannot store " + encoding.label());
  }

  @Override
  public List<String> suffixes() {
    return List.of(
        VALUES,
        MASK,
        SHAPE,
        Layer.SCALE,
        Layer.ZERO_POINT,
        Layer.INPUT_SCALE,
        Layer.INPUT_GLOBAL_SCALE);
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    return Layer.storedShape(prefix + SHAPE, source);
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    var sparse = sparse(encoding);
    var weights =
        switch (sparse.values()) {
          case Encoding.Grouped(IntegerScheme scheme, _, _) ->
              IntegerArguments.write(scheme, order);
          default -> SparseBitmask.plain(sparse);
        };
    return weights.put(SparseBitmask.STRUCTURE, sparse.pattern().label());
  }

  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    var pattern = SparseBitmask.pattern(weights);
    if (weights.text("type").orElse("int").equals("int")) {
      return Encoding.Sparse.withZeros(pattern, 0, 1, IntegerArguments.read(weights, activations));
    }
    if (!(activations instanceof Activations.None)) {
      throw new FormatException(weights.where() + ": plain values leave inputs as they are");
    }
    return Encoding.Sparse.withZeros(pattern, 0, 1, new Encoding.Plain(DType.F16));
  }

  @Override
  public Encoding described(Encoding encoding) {
    var sparse = sparse(encoding);
    return Encoding.Sparse.withZeros(sparse.pattern(), 0, 1, sparse.values());
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var sparse = sparse(encoding);
    long kept = sparse.kept(rows, columns);
    var infos = new ArrayList<TensorInfo>();
    infos.add(info(prefix + SHAPE, DType.I64, 2));
    infos.add(StoredMask.info(prefix + MASK, sparse.pattern(), rows, columns));
    switch (sparse.values()) {
      case Encoding.Grouped(IntegerScheme scheme, DType scales, _) -> {
        infos.add(info(prefix + VALUES, DType.U8, codeBytes(kept, scheme.bits())));
        long[] shape = scales(sparse, rows, columns);
        infos.add(info(prefix + Layer.SCALE, scales, shape));
        if (!scheme.symmetric()) {
          infos.add(info(prefix + Layer.ZERO_POINT, DType.I8, shape));
        }
        if (scheme.activations().calibrated()) {
          var name = prefix + Layer.inputScaleName(scheme.activations());
          infos.add(info(name, DType.F32, 1));
        }
      }
      case Encoding.Plain(DType type) -> infos.add(info(prefix + VALUES, type, kept));
      default -> throw new LatheException(NAME + " cannot store " + encoding.label());
    }
    return infos;
  }

  private static long codeBytes(long kept, int bits) {
    return Math.ceilDiv(Math.multiplyExact(kept, bits), 8L);
  }

  private static long[] scales(Encoding.Sparse sparse, int rows, int columns) {
    long groups = sparse.groups(rows, columns);
    return sparse.scalesOfKeptGroups() ? new long[] {groups} : new long[] {rows, groups / rows};
  }

  @Override
  public Map<String, Tensor> constants(String prefix, Encoding encoding, int rows, int columns) {
    return Map.of(prefix + SHAPE, Layer.shapeTensor(rows, columns));
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    var encoding = sparse(weight.encoding());
    var sparse = (Sparse) weight;
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var info : layout(prefix, encoding, weight.rows(), weight.columns())) {
      tensors.put(
          info.name(),
          switch (info.name().substring(prefix.length())) {
            case SHAPE -> Layer.shapeTensor(weight.rows(), weight.columns());
            case MASK -> StoredMask.write(sparse.mask(), encoding.pattern());
            case VALUES -> values(info, sparse);
            case Layer.SCALE -> KeptGroups.of(sparse).scales(info);
            case Layer.ZERO_POINT -> KeptGroups.of(sparse).zeros(info);
            default -> Layer.inputScale(prefix, weight);
          });
    }
    return tensors;
  }

  private static Tensor values(TensorInfo info, Sparse weight) {
    return switch (weight.values()) {
      case Sparse.Values.Floats(Tensor kept) -> kept.reshape(info.shape());
      case Sparse.Values.Codes codes -> {
        int bits = ((Encoding.Grouped) weight.encoding().values()).scheme().bits();
        var bytes = new byte[Math.toIntExact(info.bytes())];
        Packing.packBytes(codes.kept(), bits, bytes);
        yield new Tensor(DType.U8, info.shape(), MemorySegment.ofArray(bytes));
      }
    };
  }

  @Override
  public Sparse decode(String prefix, Encoding encoding, TensorSource source) {
    var told = sparse(encoding);
    var pattern = told.pattern();
    var layer = new Layer(prefix, source);
    var shape = shape(prefix, encoding, source);
    layer.checkSize(SHAPE, shape[0], shape[1]);
    int rows = (int) shape[0];
    int columns = (int) shape[1];
    pattern
        .refusal(rows, columns)
        .ifPresent(
            why -> {
              throw new FormatException("'" + prefix + "': " + why);
            });
    var mask = StoredMask.read(layer, MASK, pattern, rows, columns);
    if (!mask.follows(pattern)) {
      throw new FormatException(
          "'%s%s' does not keep %s of a row's inputs".formatted(prefix, MASK, pattern.label()));
    }
    long all = (long) rows * columns;
    return switch (told.values()) {
      case Encoding.Grouped(IntegerScheme scheme, _, _) -> {
        var scales = source.info(prefix + Layer.SCALE);
        if (!scales.dtype().isFloat()) {
          throw layer.wrong(Layer.SCALE, "floats", source.tensor(scales.name()));
        }
        var values = new Encoding.Grouped(scheme, scales.dtype());
        var exact = Encoding.Sparse.withZeros(pattern, all - mask.kept(), all, values);
        yield new Sparse(
            exact, mask, codes(layer, exact, scheme, mask), layer.inputScale(scheme.activations()));
      }
      default -> {
        var values = source.tensor(prefix + VALUES);
        if (!values.dtype().isFloat() || values.elements() != mask.kept()) {
          throw layer.wrong(VALUES, "the %d floats that are kept".formatted(mask.kept()), values);
        }
        var exact =
            Encoding.Sparse.withZeros(
                pattern, all - mask.kept(), all, new Encoding.Plain(values.dtype()));
        yield new Sparse(exact, mask, new Sparse.Values.Floats(values.reshape(values.elements())));
      }
    };
  }

  private static Sparse.Values.Codes codes(
      Layer layer, Encoding.Sparse encoding, IntegerScheme scheme, Mask mask) {
    var packed = layer.source().tensor(layer.prefix() + VALUES);
    long bytes = codeBytes(mask.kept(), scheme.bits());
    if (packed.dtype() != DType.U8 || packed.elements() != bytes) {
      throw layer.wrong(
          VALUES,
          "the %d codes of %d bits that are kept".formatted(mask.kept(), scheme.bits()),
          packed);
    }
    var kept = new byte[Math.toIntExact(mask.kept())];
    Packing.unpackBytes(packed.data(), scheme.bits(), kept);
    var groups = new KeptGroups(encoding, mask);
    return new Sparse.Values.Codes(
        kept,
        groups.readScales(layer),
        scheme.symmetric() ? null : groups.readZeros(layer, scheme));
  }
}
