package ai.lathe.compress.pruning.fisher;

import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.linalg.Cholesky;
import ai.lathe.tensor.linalg.Parallel;
import java.lang.foreign.Arena;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * FastCAP: one Fisher block for all blocks of a matrix, and one sweep over each block from its
 * first weight to its last, in which what is removed is made up for by what follows. Every block
 * loses the same share. Cheaper than {@link Cap} and less accurate; memory is that of a few
 * gradients.
 *
 * @see <a href="https://arxiv.org/abs/2210.09223">Kuznedelev et al., CAP, 2022</a>
 */
public record FastCap(Config config) implements GlobalMethod {

  /**
   * @param damp relative to the mean of the diagonal
   */
  public record Config(Sparsity sparsity, Gathering gathering, double damp, int block)
      implements GlobalMethod.Config {

    public Config {
      FisherSettings.check("FastCAP", OptionalDouble.of(damp), block, 1);
      if (!(sparsity.pattern() instanceof Pattern.Unstructured)) {
        throw new LatheException(
            "FastCAP prunes unstructured, not %s; n:m is pruned by cap, blocks by obert"
                .formatted(sparsity.pattern().label()));
      }
    }
  }

  @Override
  public String name() {
    return "fastcap";
  }

  @Override
  public List<Double> steps(double already) {
    return List.of(sparsity());
  }

  @Override
  public long bytes(long weights) {
    return 0;
  }

  @Override
  public Optional<String> smaller(long weights, long bytes) {
    return Optional.empty();
  }

  @Override
  public Curvature curvature(int weights, double scale, Arena arena) {
    return new SharedFisher(weights, config.block());
  }

  @Override
  public int unit() {
    return 1;
  }

  @Override
  public boolean ranks() {
    return false;
  }

  @Override
  public void score(float[] weights, Curvature curvature, float[] scores) {
    throw new IllegalStateException("every block of FastCAP chooses by itself");
  }

  @Override
  public void prune(float[] weights, Curvature curvature, double sparsity, BitSet chosen) {
    var fisher = (SharedFisher) curvature;
    int size = config.block();
    var u = factor(fisher, size);
    Parallel.forEach(
        fisher.blocks(),
        block -> {
          int first = block * size;
          int n = Math.min(size, weights.length - first);
          // Rounded so that the counts of all blocks add up to that of the matrix.
          long before = Math.round(first * sparsity);
          int count = (int) (Math.round((first + n) * sparsity) - before);
          sweep(weights, first, n, count, u);
        });
  }

  private Matrix factor(SharedFisher fisher, int size) {
    double ridge = config.damp() * fisher.trace() / size;
    for (int attempt = 0; attempt < 8; attempt++, ridge *= 10) {
      var h = fisher.mean();
      for (int i = 0; i < size; i++) {
        h.set(i, i, (float) (h.at(i, i) + ridge));
      }
      if (Cholesky.inverseFactor(h).isEmpty()) {
        return h;
      }
    }
    throw new LatheException("FastCAP's Fisher matrix has no inverse: give a larger damp");
  }

  /** Removes the {@code count} weights of least {@code (w / U_jj)^2}, from left to right. */
  private static void sweep(float[] weights, int first, int n, int count, Matrix u) {
    var score = new double[n];
    var order = new Integer[n];
    for (int j = 0; j < n; j++) {
      double ratio = weights[first + j] / u.at(j, j);
      score[j] = ratio * ratio;
      order[j] = j;
    }
    java.util.Arrays.sort(order, java.util.Comparator.comparingDouble(j -> score[j]));
    var goes = new boolean[n];
    for (int k = 0; k < n; k++) {
      goes[order[k]] = k < count || score[order[k]] == 0;
    }
    for (int j = 0; j < n; j++) {
      if (goes[j]) {
        float error = weights[first + j] / u.at(j, j);
        for (int k = j; k < n; k++) {
          weights[first + k] -= error * u.at(j, k);
        }
        weights[first + j] = 0;
      }
    }
    for (int j = 0; j < n; j++) {
      if (goes[j]) {
        weights[first + j] = 0;
      }
    }
  }
}
