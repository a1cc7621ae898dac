package ai.lathe.format.compressed;

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
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;

/**
 * Blocks that act on one index of a grid, see {@link ModeMatrix}: {@code mode_blocks [outer or 1,
 * inner or 1, r, c]} of any floating type, and {@code mode_grid}, the sizes of the outer and the
 * inner index in 32 bits each.
 */
public final class ModeCodec implements ConfiguredCodec {

  static final String NAME = "lathe-mode";
  private static final String BLOCKS = ".mode_blocks";
  private static final String GRID = ".mode_grid";

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
    return encoding instanceof Encoding.Mode mode && mode.type().isFloat();
  }

  private static Encoding.Mode mode(Encoding encoding) {
    if (encoding instanceof Encoding.Mode mode) {
      return mode;
    }
    throw new LatheException(NAME + " cannot store " + encoding.label());
  }

  @Override
  public List<String> suffixes() {
    return List.of(BLOCKS, GRID);
  }

  /** Sizes of the outer and the inner index that blocks of this shape fit. */
  private static int[] grid(String prefix, long[] blocks, TensorSource source) {
    if (blocks.length != 4 || blocks[2] < 1 || blocks[3] < 1) {
      throw new FormatException(
          "'" + prefix + BLOCKS + "' should be blocks of [outer, inner, rows, columns]");
    }
    var stored = source.tensor(prefix + GRID);
    if (stored.dtype() != DType.I32 || stored.elements() != 2) {
      throw new FormatException("'" + prefix + GRID + "' should be two integers, not " + stored);
    }
    long outer = stored.getLong(0);
    long inner = stored.getLong(1);
    if (outer < 1
        || inner < 1
        || (blocks[0] != 1 && blocks[0] != outer)
        || (blocks[1] != 1 && blocks[1] != inner)
        || Math.max(blocks[2], blocks[3]) > Integer.MAX_VALUE / (outer * inner)) {
      throw new FormatException(
          "'%s%s' is a grid of %d x %d, which its blocks do not fit"
              .formatted(prefix, GRID, outer, inner));
    }
    return new int[] {(int) outer, (int) inner};
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    var blocks = source.info(prefix + BLOCKS).shape();
    var grid = grid(prefix, blocks, source);
    long others = (long) grid[0] * grid[1];
    return new long[] {others * blocks[2], others * blocks[3]};
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    return Json.object().put("type", "float").put("num_bits", mode(encoding).type().bits());
  }

  /** All sizes are those of the tensors. */
  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    if (!(activations instanceof Activations.None)) {
      throw new FormatException(weights.where() + ": " + NAME + " leaves inputs as they are");
    }
    return new Encoding.Mode(1, 1, false, false, DType.F16);
  }

  @Override
  public Encoding described(Encoding encoding) {
    return new Encoding.Mode(1, 1, false, false, mode(encoding).type());
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var mode = mode(encoding);
    int outer = mode.ofOuter() ? mode.outer() : 1;
    int inner = mode.ofInner() ? mode.inner() : 1;
    return List.of(
        Layer.info(prefix + BLOCKS, mode.type(), outer, inner, mode.side(rows), mode.side(columns)),
        Layer.info(prefix + GRID, DType.I32, 2));
  }

  @Override
  public Map<String, Tensor> constants(String prefix, Encoding encoding, int rows, int columns) {
    var mode = mode(encoding);
    return Map.of(prefix + GRID, grid(mode.outer(), mode.inner()));
  }

  private static Tensor grid(int outer, int inner) {
    var data = MemorySegment.ofArray(new byte[8]);
    data.set(Layer.INT, 0, outer);
    data.set(Layer.INT, 4, inner);
    return new Tensor(DType.I32, new long[] {2}, data);
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    mode(weight.encoding());
    var modes = (ModeMatrix) weight;
    return Map.of(
        prefix + BLOCKS, modes.blocks(), prefix + GRID, grid(modes.outer(), modes.inner()));
  }

  @Override
  public ModeMatrix decode(String prefix, Encoding encoding, TensorSource source) {
    var blocks = source.tensor(prefix + BLOCKS);
    var layer = new Layer(prefix, source);
    if (!blocks.dtype().isFloat() || blocks.elements() < 1) {
      throw layer.wrong(BLOCKS, "blocks of floats", blocks);
    }
    var grid = grid(prefix, blocks.shape(), source);
    layer.checkSize(BLOCKS, blocks.elements(), 1);
    return new ModeMatrix(blocks, grid[0], grid[1]);
  }
}
