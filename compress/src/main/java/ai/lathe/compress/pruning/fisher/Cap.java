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
 * The Correlation Aware Pruner: the weights of a block are removed one by one, the cheapest first,
 * and after each the others of the block and the inverse F are brought up to date. What all
 * removals so far have cost is the score of the last one, so the weights under any threshold are
 * the first few of each block. Which those are is found again by removing as many, instead of
 * storing the weights after every removal.
 *
 * <p>With an n:m pattern every matrix stops where the pattern is reached.
 *
 * @see <a href="https://arxiv.org/abs/2210.09223">Kuznedelev et al., CAP, 2022</a>
 */
public record Cap(Config config) implements GlobalMethod {

  /** Damping in units of the gradients' mean square. */
  private static final double DAMP = 0.01;

  /**
   * @param sparsity unstructured or n:m
   * @param gathering m = 4096 in the paper, 256 here where nothing is said
   * @param damp ridge of the Fisher matrix; empty for a hundredth of the gradients' mean square
   * @param block B; a multiple of m under n:m
   */
  public record Config(
      Sparsity sparsity, Gathering gathering, OptionalDouble damp, int block, int recomputations)
      implements GlobalMethod.Config {

    public Config {
      FisherSettings.check("CAP", damp, block, recomputations);
      boolean fits =
          switch (sparsity.pattern()) {
            case Pattern.Unstructured _ -> true;
            case Pattern.SemiStructured(_, int of) -> block % of == 0;
            case Pattern.Blocks _ -> false;
          };
      if (!fits) {
        throw new LatheException(
            "CAP prunes unstructured or n:m where m divides fisher_block_size %d, not %s; blocks are pruned by obert"
                .formatted(block, sparsity.pattern().label()));
      }
      if (sparsity.pattern() instanceof Pattern.SemiStructured && recomputations > 1) {
        throw new LatheException("CAP reaches an n:m pattern in one step: num_recomputations is 1");
      }
    }
  }

  @Override
  public String name() {
    return "cap";
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
    int multiple = pattern() instanceof Pattern.SemiStructured(_, int of) ? of : 1;
    return FisherSettings.smallerBlock(weights, bytes, config.block(), multiple);
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
    return 1;
  }

  @Override
  public boolean ranks() {
    return pattern() instanceof Pattern.Unstructured;
  }

  @Override
  public void score(float[] weights, Curvature curvature, float[] scores) {
    var fisher = (BlockFisher) curvature;
    Parallel.forEach(
        fisher.blocks(),
        block -> {
          int first = fisher.first(block);
          var elimination = begin(weights, fisher, block);
          while (elimination.removeCheapest()) {
            scores[first + elimination.last()] =
                elimination.lastWasZero()
                    ? 0
                    : Math.max((float) elimination.loss(), Float.MIN_VALUE);
          }
        });
  }

  @Override
  public void prune(float[] weights, Curvature curvature, double sparsity, BitSet chosen) {
    var fisher = (BlockFisher) curvature;
    Parallel.forEach(
        fisher.blocks(),
        block -> {
          int first = fisher.first(block);
          int n = fisher.size(block);
          // Losses grow from one removal to the next, so those under a threshold are the first.
          int count = chosen == null ? n : chosen.get(first, first + n).cardinality();
          if (count == 0) {
            return;
          }
          var elimination = begin(weights, fisher, block);
          while ((count-- > 0 || elimination.nextIsZero()) && elimination.removeCheapest()) {
            // Goes on.
          }
          elimination.write(weights, first);
        });
  }

  private Elimination begin(float[] weights, BlockFisher fisher, int block) {
    int n = fisher.size(block);
    var w = new double[n];
    for (int i = 0; i < n; i++) {
      w[i] = weights[fisher.first(block) + i];
    }
    return new Elimination(w, fisher.inverse(block), pattern());
  }
}
