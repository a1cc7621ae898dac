package ai.lathe.compress.pruning.fisher;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The empirical Fisher matrix of one weight matrix in blocks of B consecutive weights, and its
 * inverse {@code F = (damp I + 1/m sum of g g^T)^-1}.
 *
 * <p>oBERT updates F itself with each gradient (Woodbury). The same F comes of adding up the outer
 * products and inverting once, which is a quarter of the work and, since products are symmetric,
 * half the memory: {@code 2 (B + 1)} bytes a weight. Sums are float32, inverses float64, made when
 * they are asked for.
 *
 * @see <a href="https://arxiv.org/abs/2203.07259">Kurtic et al., The Optimal BERT Surgeon, 2022</a>
 */
public final class BlockFisher implements Curvature {

  private static final OuterProductKernel KERNEL =
      Gemm.vectorized() ? new VectorOuterProductKernel() : new ScalarOuterProductKernel();

  /** Blocks of one task. */
  private static final int TASK = 64;

  /** A block whose sums, rounded to float32, have no inverse gets so many times the damping. */
  private static final double MORE = 10;

  private static final int MOST_RAISES = 12;

  private final int weights;
  private final int size;
  private final int triangle;
  private final int gradients;
  private final double damp;
  private final MemorySegment sums;
  private final AtomicInteger raised = new AtomicInteger();

  /**
   * @param weights of the matrix
   * @param size B; the last block may have fewer
   * @param gradients m, how many will be added
   * @param arena of the sums
   */
  public BlockFisher(int weights, int size, int gradients, double damp, Arena arena) {
    this.weights = weights;
    this.size = size;
    this.triangle = size * (size + 1) / 2;
    this.gradients = gradients;
    this.damp = damp;
    this.sums = arena.allocate(bytes(weights, size), 64);
  }

  /** Bytes that are held for a matrix. */
  public static long bytes(long weights, int size) {
    return Math.ceilDiv(weights, size) * size * (size + 1L) / 2 * Float.BYTES;
  }

  int blocks() {
    return Math.ceilDiv(weights, size);
  }

  int first(int block) {
    return block * size;
  }

  /** Weights of a block. */
  int size(int block) {
    return Math.min(size, weights - block * size);
  }

  /** Blocks that were singular to float32 and got more damping. */
  int raised() {
    return raised.get();
  }

  @Override
  public void add(MemorySegment vectors, int count) {
    int blocks = blocks();
    Parallel.forEach(
        Math.ceilDiv(blocks, TASK),
        task -> {
          var sum = new float[triangle];
          var rows = new float[count * size];
          for (int block = task * TASK; block < Math.min(blocks, (task + 1) * TASK); block++) {
            int n = size(block);
            for (int k = 0; k < count; k++) {
              long from = ((long) k * weights + first(block)) * Float.BYTES;
              MemorySegment.copy(vectors, ValueLayout.JAVA_FLOAT, from, rows, k * n, n);
            }
            long at = (long) block * triangle * Float.BYTES;
            int length = n * (n + 1) / 2;
            MemorySegment.copy(sums, ValueLayout.JAVA_FLOAT, at, sum, 0, length);
            KERNEL.add(sum, rows, count, n);
            MemorySegment.copy(sum, 0, sums, ValueLayout.JAVA_FLOAT, at, length);
          }
        });
  }

  /** F of a block, {@code [n, n]} row-major. */
  double[] inverse(int block) {
    int n = size(block);
    var f = new double[n * n];
    double ridge = damp;
    for (int attempt = 0; attempt <= MOST_RAISES; attempt++, ridge *= MORE) {
      fill(block, n, ridge, f);
      if (Inverse.inPlace(f, n)) {
        if (attempt > 0) {
          raised.incrementAndGet();
        }
        return f;
      }
    }
    throw new LatheException(
        "a block of the Fisher matrix has no inverse with a damping of %s to %s: give a larger one"
            .formatted(damp, ridge / MORE));
  }

  private void fill(int block, int n, double ridge, double[] f) {
    long at = (long) block * triangle;
    for (int i = 0; i < n; i++) {
      for (int j = i; j < n; j++) {
        double value = sums.getAtIndex(ValueLayout.JAVA_FLOAT, at++) / (double) gradients;
        f[i * n + j] = value;
        f[j * n + i] = value;
      }
      f[i * n + i] += ridge;
    }
  }
}
