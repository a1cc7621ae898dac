package ai.lathe.compress.pruning.fisher;

import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.linalg.Parallel;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/**
 * M-FAC's static pruner: oBERT's scores and update with a Fisher matrix that is never formed, in
 * large blocks of the weights that are left, few gradients and many steps. In each step the same
 * share of what is left goes.
 *
 * @see <a href="https://arxiv.org/abs/2107.03356">Frantar et al., M-FAC, 2021</a>
 */
public record MFac(Config config) implements GlobalMethod {

  /** Damping in units of the gradients' mean square. */
  private static final double DAMP = 0.1;

  /**
   * @param lambda ridge of the Fisher matrix; empty for a tenth of the gradients' mean square
   * @param block weights that are left to a block
   */
  public record Config(
      Sparsity sparsity, Gathering gathering, OptionalDouble lambda, int block, int recomputations)
      implements GlobalMethod.Config {

    public Config {
      FisherSettings.check("M-FAC", lambda, block, recomputations);
      if (!(sparsity.pattern() instanceof Pattern.Unstructured)) {
        throw new LatheException(
            "M-FAC prunes unstructured, not %s; n:m is pruned by cap, blocks by obert"
                .formatted(sparsity.pattern().label()));
      }
    }
  }

  @Override
  public String name() {
    return "mfac";
  }

  @Override
  public List<Double> steps(double already) {
    double factor = Math.pow((1 - sparsity()) / (1 - already), 1.0 / config.recomputations());
    var steps = new ArrayList<Double>();
    for (int step = 1; step < config.recomputations(); step++) {
      steps.add(1 - (1 - already) * Math.pow(factor, step));
    }
    steps.add(sparsity());
    return steps;
  }

  @Override
  public long bytes(long weights) {
    return GradientRows.bytes(weights, config.gathering().gradients());
  }

  @Override
  public Optional<String> smaller(long weights, long bytes) {
    long fit = bytes / Math.max(1, GradientRows.bytes(weights, 1));
    return fit < 1 ? Optional.empty() : Optional.of(Gathering.GRADIENTS + " " + fit + " fits");
  }

  @Override
  public Curvature curvature(int weights, double scale, Arena arena) {
    return new GradientRows(
        weights, config.gathering().gradients(), config.lambda().orElse(DAMP * scale), arena);
  }

  @Override
  public int unit() {
    return 1;
  }

  @Override
  public boolean ranks() {
    return true;
  }

  /** The part of a matrix that one task works on. */
  private record Part(MatrixFreeInverse inverse, int[] left, int from, int to) {}

  /** What is left, in blocks. */
  private void forEachBlock(
      float[] weights, Curvature curvature, java.util.function.Consumer<Part> work) {
    var rows = (GradientRows) curvature;
    var left = IntStream.range(0, weights.length).filter(i -> weights[i] != 0).toArray();
    Parallel.forEach(
        Math.ceilDiv(left.length, config.block()),
        block -> {
          int from = block * config.block();
          int to = Math.min(left.length, from + config.block());
          var inverse = new MatrixFreeInverse(rows.gather(left, from, to), rows.lambda());
          work.accept(new Part(inverse, left, from, to));
        });
  }

  @Override
  public void score(float[] weights, Curvature curvature, float[] scores) {
    java.util.Arrays.fill(scores, 0);
    forEachBlock(
        weights,
        curvature,
        part -> {
          int n = part.to() - part.from();
          var diagonal = part.inverse().diagonal(n);
          for (int i = 0; i < n; i++) {
            int at = part.left()[part.from() + i];
            double score = (double) weights[at] * weights[at] / (2 * diagonal[i]);
            scores[at] = Math.max((float) score, Float.MIN_VALUE);
          }
        });
  }

  @Override
  public void prune(float[] weights, Curvature curvature, double sparsity, BitSet chosen) {
    forEachBlock(
        weights,
        curvature,
        part -> {
          int n = part.to() - part.from();
          var diagonal = part.inverse().diagonal(n);
          var removed = new double[n];
          for (int i = 0; i < n; i++) {
            int at = part.left()[part.from() + i];
            removed[i] = chosen.get(at) ? -weights[at] / diagonal[i] : 0;
          }
          var change = part.inverse().product(removed);
          for (int i = 0; i < n; i++) {
            int at = part.left()[part.from() + i];
            weights[at] = chosen.get(at) ? 0 : (float) (weights[at] + change[i]);
          }
        });
  }
}
