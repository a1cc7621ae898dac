package ai.lathe.format.compressed;

import static ai.lathe.format.compressed.Layer.info;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Plain values that a mask keeps, as the compressed-tensors package stored them until version 0.14;
 * 0.15 has neither format any more.
 *
 * <p>{@code sparse-bitmask}, any zeros:
 *
 * <ul>
 *   <li>{@code shape} I64 {@code [2]}
 *   <li>{@code compressed} {@code [kept]}, any floating type: row by row
 *   <li>{@code bitmask} U8 {@code [out, ceil(in / 8)]}, the first input the lowest bit
 *   <li>{@code row_offsets} I64 {@code [out]}: how many are kept before each row
 * </ul>
 *
 * <p>{@code sparse-24-bitmask}, two of every four: {@code shape} I64 {@code [2, 1]}, {@code
 * compressed} {@code [out, in / 2]}, {@code bitmask} as above.
 *
 * @see <a href="https://github.com/neuralmagic/compressed-tensors/tree/0.10.2">compressed-tensors
 *     0.10.2</a>
 */
public final class SparseBitmask implements ConfiguredCodec {

  /** {@code sparse-bitmask}. */
  public static final SparseBitmask ANY = new SparseBitmask("sparse-bitmask", null);

  /** {@code sparse-24-bitmask}. */
  public static final SparseBitmask TWO_FOUR =
      new SparseBitmask("sparse-24-bitmask", new Pattern.SemiStructured(2, 4));

  static final String STRUCTURE = "sparsity_structure";
  private static final String SHAPE = ".shape";
  private static final String VALUES = ".compressed";
  private static final String MASK = ".bitmask";
  private static final String OFFSETS = ".row_offsets";

  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final String name;

  /** The only one that it stores; null where it stores all but {@link #TWO_FOUR}'s. */
  private final Pattern fixed;

  private SparseBitmask(String name, Pattern fixed) {
    this.name = name;
    this.fixed = fixed;
  }

  @Override
  public String name() {
    return name;
  }

  /** Their package describes a whole model, in {@code sparsity_config}, and never a group. */
  @Override
  public boolean standard() {
    return false;
  }

  /** Whether masks of this pattern are stored so. */
  private boolean stores(Pattern pattern) {
    return fixed == null
        ? !(pattern instanceof Pattern.Blocks) && !pattern.equals(TWO_FOUR.fixed)
        : pattern.equals(fixed);
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return encoding instanceof Encoding.Sparse(Pattern pattern, _, Encoding.Plain(DType type))
        && type.isFloat()
        && stores(pattern);
  }

  private Encoding.Sparse sparse(Encoding encoding) {
    if (!canEncode(encoding)) {
      throw new LatheException(name + " cannot store " + encoding.label());
    }
    return (Encoding.Sparse) encoding;
  }

  @Override
  public List<String> suffixes() {
    return fixed == null ? List.of(VALUES, SHAPE, MASK, OFFSETS) : List.of(VALUES, SHAPE, MASK);
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    return Layer.storedShape(prefix + SHAPE, source);
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    var sparse = sparse(encoding);
    return plain(sparse).put(STRUCTURE, sparse.pattern().label());
  }

  /** What is said of plain values. */
  static ObjectNode plain(Encoding.Sparse sparse) {
    return Json.object()
        .put("type", "float")
        .put("num_bits", ((Encoding.Plain) sparse.values()).dtype().bits());
  }

  /** The inverse of what {@code weights} says of the pattern. */
  static Pattern pattern(JsonFields weights) {
    return pattern(weights.requiredText(STRUCTURE), weights.where());
  }

  private static Pattern pattern(String structure, String where) {
    try {
      return Pattern.parse(structure);
    } catch (LatheException e) {
      throw new FormatException(where + ": " + e.getMessage(), e);
    }
  }

  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    if (!(activations instanceof Activations.None)) {
      throw new FormatException(weights.where() + ": " + name + " leaves inputs as they are");
    }
    return encoding(weights.requiredText(STRUCTURE), weights.where());
  }

  /**
   * What a configuration says of the layers; the rest is told by each layer's tensors.
   *
   * @param where it says so, for messages
   */
  Encoding encoding(String structure, String where) {
    var pattern = pattern(structure, where);
    // Zeros of any structure may have been stored as if they had none.
    boolean general = fixed == null && pattern.equals(TWO_FOUR.fixed);
    if (!general && !stores(pattern)) {
      throw new FormatException(
          "%s: %s does not store zeros of %s".formatted(where, name, pattern.label()));
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
    var type = ((Encoding.Plain) sparse.values()).dtype();
    var mask = StoredMask.info(prefix + MASK, sparse.pattern(), rows, columns);
    return fixed == null
        ? List.of(
            info(prefix + SHAPE, DType.I64, 2),
            info(prefix + VALUES, type, sparse.kept(rows, columns)),
            mask,
            info(prefix + OFFSETS, DType.I64, rows))
        : List.of(
            info(prefix + SHAPE, DType.I64, 2, 1),
            info(prefix + VALUES, type, rows, columns / 2),
            mask);
  }

  @Override
  public Map<String, Tensor> constants(String prefix, Encoding encoding, int rows, int columns) {
    return Map.of(prefix + SHAPE, shape(rows, columns));
  }

  private Tensor shape(int rows, int columns) {
    var shape = Layer.shapeTensor(rows, columns);
    return fixed == null ? shape : shape.reshape(2, 1);
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    var encoding = sparse(weight.encoding());
    var mask = ((Sparse) weight).mask();
    var values = ((Sparse.Values.Floats) ((Sparse) weight).values()).kept();
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var info : layout(prefix, encoding, weight.rows(), weight.columns())) {
      tensors.put(
          info.name(),
          switch (info.name().substring(prefix.length())) {
            case SHAPE -> shape(weight.rows(), weight.columns());
            case VALUES -> values.reshape(info.shape());
            case MASK -> StoredMask.write(mask, encoding.pattern());
            default -> offsets(mask);
          });
    }
    return tensors;
  }

  private static Tensor offsets(Mask mask) {
    var offsets = MemorySegment.ofArray(new byte[Math.multiplyExact(8, mask.rows())]);
    for (int row = 0; row < mask.rows(); row++) {
      offsets.set(LONG, 8L * row, mask.keptBefore(row));
    }
    return new Tensor(DType.I64, new long[] {mask.rows()}, offsets);
  }

  @Override
  public Sparse decode(String prefix, Encoding encoding, TensorSource source) {
    if (!(encoding instanceof Encoding.Sparse(Pattern told, _, _))) {
      throw new LatheException(name + " cannot store " + encoding.label());
    }
    var layer = new Layer(prefix, source);
    var values = source.tensor(prefix + VALUES);
    if (!values.dtype().isFloat()) {
      throw layer.wrong(VALUES, "floats", values);
    }
    var mask = mask(layer);
    if (values.elements() != mask.kept()) {
      throw layer.wrong(VALUES, "the %d values that the mask keeps".formatted(mask.kept()), values);
    }
    if (fixed != null && !mask.follows(fixed)) {
      throw new FormatException(
          "'%s%s' does not keep %s of a row's inputs".formatted(prefix, MASK, fixed.label()));
    }
    long all = (long) mask.rows() * mask.columns();
    var exact =
        Encoding.Sparse.withZeros(
            mask.follows(told) ? told : Pattern.UNSTRUCTURED,
            all - mask.kept(),
            all,
            new Encoding.Plain(values.dtype()));
    var floats = new Sparse.Values.Floats(values.reshape(values.elements()));
    return new Sparse(exact, mask, floats);
  }

  /** Which weights of a stored layer are kept, with its sizes and offsets checked. */
  Mask mask(Layer layer) {
    var shape = Layer.storedShape(layer.prefix() + SHAPE, layer.source());
    layer.checkSize(SHAPE, shape[0], shape[1]);
    int rows = (int) shape[0];
    var mask = StoredMask.read(layer, MASK, Pattern.UNSTRUCTURED, rows, (int) shape[1]);
    if (fixed == null) {
      checkOffsets(layer, mask);
    }
    return mask;
  }

  private static void checkOffsets(Layer layer, Mask mask) {
    var offsets = layer.source().tensor(layer.prefix() + OFFSETS);
    if ((offsets.dtype() != DType.I64 && offsets.dtype() != DType.I32)
        || offsets.elements() != mask.rows()) {
      throw layer.wrong(OFFSETS, "one number for each of " + mask.rows() + " rows", offsets);
    }
    for (int row = 0; row < mask.rows(); row++) {
      if (offsets.getLong(row) != mask.keptBefore(row)) {
        throw new FormatException(
            "'%s%s' begins row %d at value %d; the mask keeps %d before it"
                .formatted(
                    layer.prefix(), OFFSETS, row, offsets.getLong(row), mask.keptBefore(row)));
      }
    }
  }
}
