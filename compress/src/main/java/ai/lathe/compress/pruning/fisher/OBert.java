package ai.lathe.compress.pruning.fisher;

import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.linalg.Parallel;
import java.lang.foreign.Arena;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * The Optimal BERT Surgeon: removing weight p costs {@code w_p^2 / (2 F_pp)} in the quadratic model
 * whose inverse Hessian is F, after the others of its block have moved by {@code -F e_p w_p /
 * F_pp}. The weights that go in one step are treated as if they went alone; several steps make up
 * for it.
 *
 * @see <a href="https://arxiv.org/abs/2203.07259">Kurtic et al., The Optimal BERT Surgeon, 2022</a>
 */
public record OBert(Config config) implements GlobalMethod {

  /** Keeps denominators from zero: float32's machine epsilon. */
  private static final double EPSILON = 0x1p-23;

  /**
   * Damping in units of the gradients' mean square. What holds the weights that go in one step
   * apart is damping: with much less of it they count on each other to make up for them.
   */
  private static final double DAMP = 0.1;

  /**
   * @param sparsity unstructured, or in blocks of {@code 1 x n} weights
   * @param gathering m = 1024 in the paper, 256 here where nothing is said
   * @param damp ridge of the Fisher matrix; empty for a tenth of the gradients' mean square. The
   *     paper's 1e-7 is for gradients that are means of some thousand tokens
   * @param block B, a multiple of the pattern's blocks
   * @param recomputations steps in which the sparsity is reached, with new gradients for each
   */
  public record Config(
      Sparsity sparsity, Gathering gathering, OptionalDouble damp, int block, int recomputations)
      implements GlobalMethod.Config {

    public Config {
      FisherSettings.check("oBERT", damp, block, recomputations);
      boolean fits =
          switch (sparsity.pattern()) {
            case Pattern.Unstructured _ -> true;
            case Pattern.Blocks(int high, int wide) -> high == 1 && block % wide == 0;
            case Pattern.SemiStructured _ -> false;
          };
      if (!fits) {
        throw new LatheException(
            "oBERT prunes unstructured or in blocks of 1 row whose width divides fisher_block_size %d (1x4 is usual), not %s; n:m is pruned by cap"
                .formatted(block, sparsity.pattern().label()));
      }
    }
  }

  @Override
  public String name() {
    return "obert";
  }

  @Override
  public List<Double> steps(double already) {
    return GlobalMethod.linear(already, sparsity(), config.recomputations());
  }

  @Override
  public long bytes(long weights) {
    return BlockFisher.bytes(weights, config.block());
  }

  @Override
  public Optional<String> smaller(long weights, long bytes) {
    return FisherSettings.smallerBlock(weights, bytes, config.block(), unit());
  }

  @Override
  public Curvature curvature(int weights, double scale, Arena arena) {
    return new BlockFisher(
        weights,
        config.block(),
        config.gathering().gradients(),
        config.damp().orElse(DAMP * scale),
        arena);
  }

  @Override
  public int unit() {
    return pattern() instanceof Pattern.Blocks(_, int wide) ? wide : 1;
  }

  @Override
  public boolean ranks() {
    return true;
  }

  @Override
  public void score(float[] weights, Curvature curvature, float[] scores) {
    var fisher = (BlockFisher) curvature;
    int unit = unit();
    Parallel.forEach(
        fisher.blocks(),
        block -> {
          int first = fisher.first(block);
          int n = fisher.size(block);
          var f = fisher.inverse(block);
          for (int i = 0; i < n; i += unit) {
            double cost = cost(weights, first, f, n, i, unit);
            scores[(first + i) / unit] =
                isZero(weights, first + i, unit) ? 0 : Math.max((float) cost, Float.MIN_VALUE);
          }
        });
  }

  @Override
  public void prune(float[] weights, Curvature curvature, double sparsity, BitSet chosen) {
    var fisher = (BlockFisher) curvature;
    int unit = unit();
    Parallel.forEach(
        fisher.blocks(),
        block -> {
          int first = fisher.first(block);
          int n = fisher.size(block);
          int next = chosen.nextSetBit(first / unit);
          if (next < 0 || next * unit >= first + n) {
            return;
          }
          var f = fisher.inverse(block);
          var change = new double[n];
          for (int q = next; q >= 0 && q * unit < first + n; q = chosen.nextSetBit(q + 1)) {
            int i = q * unit - first;
            var factors = solve(weights, first, f, n, i, unit);
            for (int p = 0; p < unit; p++) {
              for (int j = 0; j < n; j++) {
                change[j] += f[(i + p) * n + j] * factors[p];
              }
            }
          }
          for (int j = 0; j < n; j++) {
            boolean stays = weights[first + j] != 0 && !chosen.get((first + j) / unit);
            weights[first + j] = stays ? (float) (weights[first + j] - change[j]) : 0;
          }
        });
  }

  /** {@code 1/2 w_Q^T (F_QQ)^-1 w_Q} of the unit that begins at i. */
  private static double cost(float[] w, int first, double[] f, int n, int i, int unit) {
    var factors = solve(w, first, f, n, i, unit);
    double cost = 0;
    for (int p = 0; p < unit; p++) {
      cost += 0.5 * w[first + i + p] * factors[p];
    }
    return cost;
  }

  /** {@code (F_QQ)^-1 w_Q}, {@code [unit]}. */
  private static double[] solve(float[] w, int first, double[] f, int n, int i, int unit) {
    if (unit == 1) {
      return new double[] {w[first + i] / (f[i * n + i] + EPSILON)};
    }
    var inner = new double[unit * unit];
    for (int p = 0; p < unit; p++) {
      System.arraycopy(f, (i + p) * n + i, inner, p * unit, unit);
      inner[p * unit + p] += EPSILON;
    }
    if (!Inverse.inPlace(inner, unit)) {
      throw new IllegalStateException("a part of a positive definite matrix is not so itself");
    }
    var solution = new double[unit];
    for (int p = 0; p < unit; p++) {
      for (int q = 0; q < unit; q++) {
        solution[p] += inner[p * unit + q] * w[first + i + q];
      }
    }
    return solution;
  }

  private static boolean isZero(float[] weights, int at, int unit) {
    for (int i = at; i < at + unit; i++) {
      if (weights[i] != 0) {
        return false;
      }
    }
    return true;
  }
}
