package ai.lathe.compress.pruning.fisher;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** All gradients of one matrix as they are: {@code 4 m} bytes a weight. */
public final class GradientRows implements Curvature {

  private final int weights;
  private final double lambda;
  private final MemorySegment rows;
  private int count;

  /**
   * @param gradients m, how many will be added
   * @param lambda ridge of the matrix that they are the rest of
   */
  public GradientRows(int weights, int gradients, double lambda, Arena arena) {
    this.weights = weights;
    this.lambda = lambda;
    this.rows = arena.allocate(bytes(weights, gradients), 64);
  }

  /** Bytes that are held for a matrix. */
  public static long bytes(long weights, int gradients) {
    return weights * gradients * Float.BYTES;
  }

  @Override
  public void add(MemorySegment gradients, int added) {
    long row = (long) weights * Float.BYTES;
    MemorySegment.copy(gradients, 0, rows, count * row, added * row);
    count += added;
  }

  double lambda() {
    return lambda;
  }

  /** {@code [m, to - from]}: the gradients of the weights {@code indices[from .. to)}. */
  double[][] gather(int[] indices, int from, int to) {
    var gathered = new double[count][to - from];
    for (int k = 0; k < count; k++) {
      long at = (long) k * weights;
      for (int i = from; i < to; i++) {
        gathered[k][i - from] = rows.getAtIndex(ValueLayout.JAVA_FLOAT, at + indices[i]);
      }
    }
    return gathered;
  }
}
