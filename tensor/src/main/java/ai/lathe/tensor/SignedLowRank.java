package ai.lathe.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A sign for each weight times a matrix of low rank: {@code W = sign * (U V)}, element by element.
 * A {@link Sum} of several, each of what those before it leave, is BitStack's form; leaving out the
 * last ones gives a coarser and smaller weight.
 *
 * @param rows output features
 * @param columns input features
 * @param signs a bit a weight, row-major, the most significant bit of a byte first; 1 is positive
 * @param u F16 {@code [rows, rank]}
 * @param vt F16 {@code [rank, columns]}
 * @see <a href="https://arxiv.org/abs/2410.23918">Wang et al., BitStack, 2024</a>
 */
public record SignedLowRank(int rows, int columns, MemorySegment signs, Tensor u, Tensor vt)
    implements LinearWeight {

  public SignedLowRank {
    int rank = vt.shape().length == 2 ? Math.toIntExact(vt.shape()[0]) : 0;
    if (rank < 1
        || signs.byteSize() != Math.ceilDiv((long) rows * columns, 8L)
        || u.dtype() != DType.F16
        || u.elements() != (long) rows * rank
        || vt.dtype() != DType.F16
        || vt.elements() != (long) rank * columns) {
      throw new LatheException(
          "a %d x %d weight of signs and two factors cannot be %d bytes, %s and %s"
              .formatted(rows, columns, signs.byteSize(), u, vt));
    }
  }

  @Override
  public Encoding.SignedLowRank encoding() {
    return new Encoding.SignedLowRank((int) vt.shape()[0]);
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    int rank = encoding().rank();
    var left = new float[(to - from) * rank];
    u.copyFloats((long) from * rank, left, 0, left.length);
    var right = vt.toFloats();
    java.util.Arrays.fill(target, offset, offset + (to - from) * columns, 0);
    for (int row = from; row < to; row++) {
      int out = offset + (row - from) * columns;
      for (int k = 0; k < rank; k++) {
        float factor = left[(row - from) * rank + k];
        for (int j = 0; j < columns; j++) {
          target[out + j] += factor * right[k * columns + j];
        }
      }
      for (int j = 0; j < columns; j++) {
        if (!positive((long) row * columns + j)) {
          target[out + j] = -target[out + j];
        }
      }
    }
  }

  private boolean positive(long i) {
    return (signs.get(ValueLayout.JAVA_BYTE, i >> 3) >> (7 - (i & 7)) & 1) != 0;
  }
}
