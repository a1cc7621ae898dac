package ai.lathe.compress.pruning.fisher;

import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.tensor.Pattern;
import java.lang.foreign.Arena;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;

/**
 * A way to prune that weighs the weights of all layers against each other, by gradients. What it
 * does with one matrix is here; {@link ModelPruner} has the gradients and chooses.
 *
 * <p>The weights of a matrix are counted row by row. Those that are zero are pruned already, and
 * stay so.
 */
public sealed interface GlobalMethod permits OBert, Cap, FastCap, MFac {

  /** What the configs of all methods have in common. */
  interface Config {

    Sparsity sparsity();

    Gathering gathering();
  }

  /** As {@code --prune} takes it. */
  String name();

  Config config();

  /** The gradients that it wants. */
  default Gathering gathering() {
    return config().gathering();
  }

  /** Where the zeros may be. */
  default Pattern pattern() {
    return config().sparsity().pattern();
  }

  /** What share of all weights they are in the end. */
  default double sparsity() {
    return config().sparsity().share();
  }

  /** Why a matrix cannot be pruned so, in half a sentence; empty where it can. */
  default Optional<String> refusal(int rows, int columns) {
    return pattern().refusal(rows, columns);
  }

  /**
   * Sparsities to reach one after the other, each with gradients of what the last one left.
   *
   * @param already the share of zeros now
   */
  List<Double> steps(double already);

  /** Bytes that the curvature of a matrix takes. */
  long bytes(long weights);

  /**
   * @param scale mean square of the gradients, by which damping is measured where it is not given
   */
  Curvature curvature(int weights, double scale, Arena arena);

  /** The same method with half the curvature's memory or less; empty where there is none. */
  Optional<String> smaller(long weights, long bytes);

  /** Consecutive weights that have one score, and go together. */
  int unit();

  /**
   * Whether the units that go are chosen among all matrices by {@link #score}. If not, every matrix
   * chooses by itself.
   */
  boolean ranks();

  /**
   * The cost of removing each unit.
   *
   * @param scores {@code [weights / unit]}, 0 for what is zero already and more than 0 for all else
   */
  void score(float[] weights, Curvature curvature, float[] scores);

  /**
   * Removes units and changes the weights that stay so that it is felt least.
   *
   * @param weights in place
   * @param sparsity of this step; for methods that choose by themselves
   * @param chosen units; null where the method chooses by itself
   */
  void prune(float[] weights, Curvature curvature, double sparsity, BitSet chosen);

  /** Sparsities in equal steps. */
  static List<Double> linear(double from, double to, int steps) {
    return java.util.stream.IntStream.rangeClosed(1, steps)
        .mapToObj(step -> step == steps ? to : from + (to - from) * step / steps)
        .toList();
  }
}
