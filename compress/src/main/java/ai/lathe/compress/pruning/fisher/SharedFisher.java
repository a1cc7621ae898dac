package ai.lathe.compress.pruning.fisher;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;

/** One block of the Fisher matrix for all blocks of a matrix: their mean. */
public final class SharedFisher implements Curvature {

  private static final OuterProductKernel KERNEL =
      Gemm.vectorized() ? new VectorOuterProductKernel() : new ScalarOuterProductKernel();

  /** However many threads there are, so that sums do not depend on it. */
  private static final int TASKS = 32;

  private final int weights;
  private final int size;
  private final double[] sums;

  /**
   * @param size B; of a last block with fewer weights the others count as zero
   */
  public SharedFisher(int weights, int size) {
    this.weights = weights;
    this.size = size;
    this.sums = new double[size * (size + 1) / 2];
  }

  int blocks() {
    return Math.ceilDiv(weights, size);
  }

  @Override
  public void add(MemorySegment vectors, int count) {
    var parts = new float[TASKS][];
    Parallel.forEach(TASKS, task -> parts[task] = part(vectors, count, task));
    for (var part : parts) {
      for (int i = 0; i < sums.length; i++) {
        sums[i] += part[i];
      }
    }
  }

  private float[] part(MemorySegment vectors, int count, int task) {
    var sum = new float[sums.length];
    var rows = new float[count * size];
    int from = (int) ((long) blocks() * task / TASKS);
    int to = (int) ((long) blocks() * (task + 1) / TASKS);
    for (int block = from; block < to; block++) {
      int first = block * size;
      int n = Math.min(size, weights - first);
      for (int k = 0; k < count; k++) {
        long at = ((long) k * weights + first) * Float.BYTES;
        MemorySegment.copy(vectors, ValueLayout.JAVA_FLOAT, at, rows, k * size, n);
      }
      KERNEL.add(sum, rows, count, size);
    }
    return sum;
  }

  /** {@code 2 / blocks} times the sum over blocks and gradients, {@code [B, B]}. */
  Matrix mean() {
    var mean = Matrix.zeros(size, size);
    int at = 0;
    for (int i = 0; i < size; i++) {
      for (int j = i; j < size; j++) {
        float value = (float) (2 * sums[at++] / blocks());
        mean.set(i, j, value);
        mean.set(j, i, value);
      }
    }
    return mean;
  }

  /** Sum of the diagonal of {@link #mean}. */
  double trace() {
    var mean = mean();
    return IntStream.range(0, size).mapToDouble(i -> mean.at(i, i)).sum();
  }
}
