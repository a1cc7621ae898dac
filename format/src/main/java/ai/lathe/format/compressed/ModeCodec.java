package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Blocks that act on one index of a grid, see {@link ModeMatrix}, and {@code mode_grid}, the sizes
 * of the outer and the inner index in 32 bits each.
 *
 * <ul>
 *   <li>Numbers: {@code mode_blocks [outer or 1, inner or 1, r, c]} of any floating type
 *   <li>Codes: the rows of all blocks as {@link PackQuantized} has a matrix; {@code mode_grid} goes
 *       on with the two numbers of blocks, each the size of its index or 1
 * </ul>
 */
public final class ModeCodec implements ConfiguredCodec {

  static final String NAME = "lathe-mode";
  private static final String BLOCKS = ".mode_blocks";
  private static final String GRID = ".mode_grid";
  private static final PackQuantized CODES = new PackQuantized();

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
    return encoding instanceof Encoding.Mode mode
        && switch (mode.blocks()) {
          case Encoding.Plain(DType type) -> type.isFloat();
          case Encoding.Grouped codes -> CODES.canEncode(codes) && !codes.groupIndex();
          default -> false;
        };
  }

  private Encoding.Mode mode(Encoding encoding) {
    if (!canEncode(encoding)) {
      throw new LatheException(NAME + " cannot store " + encoding.label());
    }
    return (Encoding.Mode) encoding;
  }

  private static boolean plain(Encoding.Mode mode) {
    return mode.blocks() instanceof Encoding.Plain;
  }

  @Override
  public List<String> suffixes() {
    return Stream.concat(Stream.of(GRID, BLOCKS), CODES.suffixes().stream()).toList();
  }

  /**
   * What is told of a grid and its blocks, checked.
   *
   * @param ofOuter blocks along the outer index, its size or 1
   * @param ofInner likewise
   * @param high rows of a block
   * @param wide columns of a block
   */
  private record Grid(int outer, int inner, int ofOuter, int ofInner, long high, long wide) {

    static Grid read(String prefix, Encoding.Mode mode, TensorSource source) {
      boolean plain = plain(mode);
      var stored = source.tensor(prefix + GRID);
      if (stored.dtype() != DType.I32 || stored.elements() != (plain ? 2 : 4)) {
        throw new FormatException(
            "'%s%s' should be %s integers, not %s"
                .formatted(prefix, GRID, plain ? "two" : "four", stored));
      }
      long[] all =
          plain ? source.info(prefix + BLOCKS).shape() : CODES.shape(prefix, mode.blocks(), source);
      if (plain && all.length != 4) {
        throw new FormatException(
            "'" + prefix + BLOCKS + "' should be blocks of [outer, inner, rows, columns]");
      }
      long outer = stored.getLong(0);
      long inner = stored.getLong(1);
      long ofOuter = plain ? all[0] : stored.getLong(2);
      long ofInner = plain ? all[1] : stored.getLong(3);
      if (outer < 1
          || inner < 1
          || (ofOuter != 1 && ofOuter != outer)
          || (ofInner != 1 && ofInner != inner)
          || (!plain && all[0] % (ofOuter * ofInner) != 0)) {
        throw unfit(prefix, outer, inner);
      }
      long high = plain ? all[2] : all[0] / (ofOuter * ofInner);
      long wide = plain ? all[3] : all[1];
      if (high < 1 || wide < 1 || Math.max(high, wide) > Integer.MAX_VALUE / (outer * inner)) {
        throw unfit(prefix, outer, inner);
      }
      return new Grid((int) outer, (int) inner, (int) ofOuter, (int) ofInner, high, wide);
    }

    private static FormatException unfit(String prefix, long outer, long inner) {
      return new FormatException(
          "'%s%s' is a grid of %d x %d, which its blocks do not fit"
              .formatted(prefix, GRID, outer, inner));
    }
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    var grid = Grid.read(prefix, mode(encoding), source);
    long others = (long) grid.outer() * grid.inner();
    return new long[] {others * grid.high(), others * grid.wide()};
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    return switch (mode(encoding).blocks()) {
      case Encoding.Plain(DType type) ->
          Json.object().put("type", "float").put("num_bits", type.bits());
      case Encoding codes -> CODES.weights(codes, order);
    };
  }

  /** All sizes are those of the tensors. */
  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    if (!(activations instanceof Activations.None)) {
      throw new FormatException(weights.where() + ": " + NAME + " leaves inputs as they are");
    }
    boolean plain = weights.text("type").orElse("float").equals("float");
    var mode =
        of(plain ? new Encoding.Plain(DType.F16) : CODES.encoding(weights, Activations.NONE));
    if (!canEncode(mode)) {
      throw weights.wrong("actorder", "an order that is not stored");
    }
    return mode;
  }

  private static Encoding.Mode of(Encoding blocks) {
    return new Encoding.Mode(1, 1, false, false, blocks);
  }

  @Override
  public Encoding described(Encoding encoding) {
    return of(mode(encoding).blocks());
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var mode = mode(encoding);
    int outer = mode.ofOuter() ? mode.outer() : 1;
    int inner = mode.ofInner() ? mode.inner() : 1;
    int high = mode.side(rows);
    int wide = mode.side(columns);
    return switch (mode.blocks()) {
      case Encoding.Plain(DType type) ->
          List.of(
              Layer.info(prefix + BLOCKS, type, outer, inner, high, wide),
              Layer.info(prefix + GRID, DType.I32, 2));
      case Encoding codes -> {
        int all = Math.toIntExact(mode.count() * high);
        var infos = new ArrayList<>(CODES.layout(prefix, codes, all, wide));
        infos.add(Layer.info(prefix + GRID, DType.I32, 4));
        yield infos;
      }
    };
  }

  @Override
  public Map<String, Tensor> constants(String prefix, Encoding encoding, int rows, int columns) {
    var mode = mode(encoding);
    var constants = new LinkedHashMap<String, Tensor>();
    constants.put(prefix + GRID, grid(mode));
    if (!plain(mode)) {
      int all = Math.toIntExact(mode.count() * mode.side(rows));
      constants.putAll(CODES.constants(prefix, mode.blocks(), all, mode.side(columns)));
    }
    return constants;
  }

  private static Tensor grid(Encoding.Mode mode) {
    var sizes =
        plain(mode)
            ? new int[] {mode.outer(), mode.inner()}
            : new int[] {
              mode.outer(),
              mode.inner(),
              mode.ofOuter() ? mode.outer() : 1,
              mode.ofInner() ? mode.inner() : 1
            };
    var data = MemorySegment.ofArray(new byte[4 * sizes.length]);
    for (int i = 0; i < sizes.length; i++) {
      data.set(Layer.INT, 4L * i, sizes[i]);
    }
    return new Tensor(DType.I32, new long[] {sizes.length}, data);
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    var mode = mode(weight.encoding());
    var modes = (ModeMatrix) weight;
    var tensors = new LinkedHashMap<String, Tensor>();
    tensors.put(prefix + GRID, grid(mode));
    if (modes.blocks() instanceof Dense(Tensor blocks)) {
      int outer = mode.ofOuter() ? mode.outer() : 1;
      int inner = mode.ofInner() ? mode.inner() : 1;
      tensors.put(prefix + BLOCKS, blocks.reshape(outer, inner, modes.high(), modes.wide()));
    } else {
      tensors.putAll(CODES.encode(prefix, modes.blocks()));
    }
    return tensors;
  }

  @Override
  public ModeMatrix decode(String prefix, Encoding encoding, TensorSource source) {
    var mode = mode(encoding);
    var layer = new Layer(prefix, source);
    if (plain(mode)) {
      var blocks = source.tensor(prefix + BLOCKS);
      if (!blocks.dtype().isFloat() || blocks.elements() < 1) {
        throw layer.wrong(BLOCKS, "blocks of floats", blocks);
      }
      var grid = Grid.read(prefix, mode, source);
      layer.checkSize(BLOCKS, blocks.elements(), 1);
      return new ModeMatrix(blocks, grid.outer(), grid.inner());
    }
    var grid = Grid.read(prefix, mode, source);
    var codes = CODES.decode(prefix, mode.blocks(), source);
    if (codes.groupIndex() != null) {
      throw new FormatException("'" + prefix + "': groups of blocks are consecutive inputs");
    }
    return new ModeMatrix(
        codes, grid.ofOuter() > 1, grid.ofInner() > 1, grid.outer(), grid.inner());
  }
}
