package ai.lathe.tensor;

import java.util.Arrays;
import java.util.function.UnaryOperator;

/**
 * A matrix that acts on one index of three: its input is a grid {@code x[outer, column, inner]},
 * and its output
 *
 * <pre>
 *   y[p, i, t] = sum_j B[p, t, i, j] x[p, j, t]
 * </pre>
 *
 * with one small block for each pair of other indices, or the same one along either of them. A
 * factor of a {@link Product}: blocks along the diagonal ({@code inner = 1}), blocks between two
 * transpositions of a grid ({@code outer = 1}, the other half of a Monarch matrix), a diagonal
 * ({@code 1 x 1} blocks), {@code I (x) B (x) I} (one block for all: what a core of a matrix product
 * operator, or a part of a Kronecker product, does).
 *
 * @param blocks {@code [b r, c]}: the rows of all blocks, those of the first outer index first,
 *     stored like any matrix whose inputs stay as they are
 * @param ofOuter whether each place of the outer index has blocks of its own; {@code b} is the
 *     product of the sizes of the indices that have
 * @param ofInner likewise of the inner index
 * @param outer size of the first index
 * @param inner size of the last index
 */
public record ModeMatrix(
    LinearWeight blocks, boolean ofOuter, boolean ofInner, int outer, int inner)
    implements LinearWeight {

  public ModeMatrix {
    if (outer < 1 || inner < 1 || !(blocks.activations() instanceof Activations.None)) {
      throw new LatheException(
          "blocks of %s do not stand on a grid of %d x %d"
              .formatted(blocks.encoding().label(), outer, inner));
    }
    long others = (long) outer * inner;
    long count = (ofOuter ? outer : 1L) * (ofInner ? inner : 1L);
    if (blocks.rows() % count != 0) {
      throw new LatheException(
          "%d rows are not those of %d blocks".formatted(blocks.rows(), count));
    }
    long high = blocks.rows() / count;
    if (Math.max(high, blocks.columns()) > Integer.MAX_VALUE / others) {
      throw new LatheException(
          "blocks of %d x %d on a grid of %d x %d make too large a matrix"
              .formatted(high, blocks.columns(), outer, inner));
    }
  }

  /**
   * Of numbers.
   *
   * @param blocks {@code B [outer or 1, inner or 1, r, c]}, any floating type
   */
  public ModeMatrix(Tensor blocks, int outer, int inner) {
    this(rows(blocks, outer, inner), blocks.size(0) > 1, blocks.size(1) > 1, outer, inner);
  }

  private static Dense rows(Tensor blocks, int outer, int inner) {
    var shape = blocks.shape();
    if (shape.length != 4 || !blocks.dtype().isFloat() || blocks.elements() < 1) {
      throw new LatheException(
          "blocks of a mode are floats of [outer, inner, rows, columns], not " + blocks);
    }
    if ((shape[0] != 1 && shape[0] != outer) || (shape[1] != 1 && shape[1] != inner)) {
      throw new LatheException(
          "%d x %d blocks do not fit a grid of %d x %d: there is one, or one for each"
              .formatted(shape[0], shape[1], outer, inner));
    }
    return new Dense(blocks.reshape(shape[0] * shape[1] * shape[2], shape[3]));
  }

  /** {@code B [r, c]} for all: {@code I (x) B (x) I}. */
  public static ModeMatrix shared(Tensor block, int outer, int inner) {
    return new ModeMatrix(new Dense(block), false, false, outer, inner);
  }

  /** The same matrix with the square blocks as those of a mode. */
  public static ModeMatrix of(BlockDiagonal diagonal) {
    var blocks = diagonal.blocks();
    long count = blocks.size(0);
    return new ModeMatrix(blocks.reshape(count, 1, blocks.size(1), blocks.size(2)), (int) count, 1);
  }

  /** Blocks that are stored. */
  public int count() {
    return (ofOuter ? outer : 1) * (ofInner ? inner : 1);
  }

  /** Rows of a block. */
  public int high() {
    return blocks.rows() / count();
  }

  /** Columns of a block. */
  public int wide() {
    return blocks.columns();
  }

  @Override
  public int rows() {
    return outer * high() * inner;
  }

  @Override
  public int columns() {
    return outer * wide() * inner;
  }

  /** Which of the stored blocks acts at these other indices. */
  public int block(int p, int t) {
    return (ofOuter ? p : 0) * (ofInner ? inner : 1) + (ofInner ? t : 0);
  }

  @Override
  public Encoding.Mode encoding() {
    return new Encoding.Mode(outer, inner, ofOuter, ofInner, blocks.encoding());
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    rowDecoder().decode(from, to, target, offset);
  }

  @Override
  public RowDecoder rowDecoder() {
    var decoder = blocks.rowDecoder();
    int columns = columns();
    int wide = wide();
    int high = high();
    var values = new float[wide];
    return (from, to, target, offset) -> {
      Arrays.fill(target, offset, offset + (to - from) * columns, 0);
      for (int row = from; row < to; row++) {
        int t = row % inner;
        int p = row / inner / high;
        int at = block(p, t) * high + row / inner % high;
        decoder.decode(at, at + 1, values, 0);
        int out = offset + (row - from) * columns + p * wide * inner + t;
        for (int j = 0; j < wide; j++) {
          target[out + j * inner] = values[j];
        }
      }
    };
  }

  /** {@code L -> L W} for {@code L [n, rows]}: block by block, where the whole may be huge. */
  UnaryOperator<Matrix> onRows() {
    var values = blocks.decode().values();
    int high = high();
    int wide = wide();
    int columns = columns();
    return left -> {
      var result = Matrix.zeros(left.rows(), columns);
      for (int n = 0; n < left.rows(); n++) {
        for (int row = 0; row < left.columns(); row++) {
          float factor = left.at(n, row);
          if (factor == 0) {
            continue;
          }
          int t = row % inner;
          int p = row / inner / high;
          int at = (block(p, t) * high + row / inner % high) * wide;
          int out = n * columns + p * wide * inner + t;
          for (int j = 0; j < wide; j++) {
            result.values()[out + j * inner] += factor * values[at + j];
          }
        }
      }
      return result;
    };
  }
}
