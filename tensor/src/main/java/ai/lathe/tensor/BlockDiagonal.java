package ai.lathe.tensor;

import java.util.Arrays;

/**
 * A square matrix that is zero outside square blocks along its diagonal; a factor of a {@link
 * Product}.
 *
 * @param blocks {@code [n, size, size]}, any floating type
 */
public record BlockDiagonal(Tensor blocks) implements LinearWeight {

  public BlockDiagonal {
    var shape = blocks.shape();
    if (shape.length != 3 || shape[1] != shape[2] || shape[0] < 1 || !blocks.dtype().isFloat()) {
      throw new LatheException(
          "a block-diagonal matrix has square blocks of numbers, not " + blocks);
    }
    Math.toIntExact(shape[0] * shape[1]);
  }

  @Override
  public int rows() {
    return (int) (blocks.size(0) * blocks.size(1));
  }

  @Override
  public int columns() {
    return rows();
  }

  @Override
  public Encoding.BlockDiagonal encoding() {
    return new Encoding.BlockDiagonal((int) blocks.size(1), blocks.dtype());
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    int columns = columns();
    int size = (int) blocks.size(1);
    Arrays.fill(target, offset, offset + (to - from) * columns, 0);
    for (int row = from; row < to; row++) {
      int out = offset + (row - from) * columns + row / size * size;
      blocks.copyFloats((long) row * size, target, out, size);
    }
  }
}
