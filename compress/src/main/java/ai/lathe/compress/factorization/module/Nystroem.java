package ai.lathe.compress.factorization.module;

import ai.lathe.compress.factorization.Doubles;
import ai.lathe.tensor.Matrix;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * A feed-forward with fewer inner features: those that the others can best be told from stay as
 * they are, and the last matrix takes in what the others gave.
 *
 * @see <a href="https://arxiv.org/abs/2408.09632">Lin et al., MoDeGPT, 2024, type I</a>
 */
final class Nystroem {

  /** Of the mean diagonal, added where the kept features are inverted. */
  private static final double RIDGE = 1e-6;

  private Nystroem() {}

  /**
   * Ridge leverage scores {@code [C (C + l I)^-1]_ii}: from 0, of what never shows, to 1, of what
   * nothing else tells. Their sum is the effective rank {@code tr(C (C + l I)^-1)}.
   *
   * @param gram {@code C [n, n]} of the features, in any scale
   * @param ridge {@code l} as a share of the mean diagonal of {@code C}
   * @return {@code [n]}
   */
  static double[] leverage(Matrix gram, double ridge) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var c = Doubles.of(gram);
      double lambda = ridge * c.diagonal().mean().item_double();
      if (lambda == 0) {
        return new double[gram.rows()];
      }
      var damped = c.add(Doubles.identity(gram.rows()).mul(Doubles.scalar(lambda)));
      var inverse = torch.cholesky_inverse(Doubles.root(damped));
      var scores = inverse.diagonal().mul(Doubles.scalar(-lambda)).add(Doubles.scalar(1));
      return Doubles.array(scores.clamp_min(Doubles.scalar(0)));
    }
  }

  /** The places of the greatest scores, ascending; of equal ones the first. */
  static int[] greatest(double[] scores, int count) {
    return IntStream.range(0, scores.length)
        .boxed()
        .sorted((a, b) -> Double.compare(scores[b], scores[a]))
        .limit(count)
        .mapToInt(Integer::intValue)
        .sorted()
        .toArray();
  }

  /**
   * {@code W' = W C[:, k] C[k, k]^-1}: of all {@code [out, k]} the one with outputs nearest to
   * those of {@code W}. Written as {@code W[:, k]} and a change, whose square is what the ridge
   * limits: so outputs are never farther off than those of {@code W[:, k]} alone, and a feature
   * that all are kept of changes nothing.
   *
   * @param down {@code W [out, n]}
   * @param gram {@code C [n, n]}
   * @param kept ascending
   */
  static Matrix refitted(Matrix down, Matrix gram, int[] kept) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var w = Doubles.of(down);
      var c = Doubles.of(gram);
      var stays = indices(kept);
      var sliced = w.index_select(1, stays);
      double mean = c.diagonal().mean().item_double();
      if (kept.length == down.columns() || mean == 0) {
        return Doubles.matrix(sliced);
      }
      var goes = indices(others(kept, down.columns()));
      var rows = c.index_select(0, stays);
      var inner =
          rows.index_select(1, stays)
              .add(Doubles.identity(kept.length).mul(Doubles.scalar(RIDGE * mean)));
      var lost = rows.index_select(1, goes).mm(w.index_select(1, goes).t());
      return Doubles.matrix(sliced.add(torch.cholesky_solve(lost, Doubles.root(inner)).t()));
    }
  }

  private static int[] others(int[] kept, int count) {
    return IntStream.range(0, count).filter(i -> Arrays.binarySearch(kept, i) < 0).toArray();
  }

  private static Tensor indices(int[] indices) {
    return Doubles.of(Arrays.stream(indices).asDoubleStream().toArray(), indices.length)
        .to(torch.ScalarType.Long);
  }
}
