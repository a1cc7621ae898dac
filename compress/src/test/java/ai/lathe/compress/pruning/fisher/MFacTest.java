package ai.lathe.compress.pruning.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class MFacTest {

  private static final int M = 6;
  private static final int D = 9;
  private static final double LAMBDA = 0.01;

  private static double[][] doubles(float[][] gradients) {
    var rows = new double[gradients.length][];
    for (int k = 0; k < rows.length; k++) {
      rows[k] = new double[gradients[k].length];
      for (int i = 0; i < rows[k].length; i++) {
        rows[k][i] = gradients[k][i];
      }
    }
    return rows;
  }

  private static double[] vector(int n, long seed) {
    var random = new SplittableRandom(seed);
    return random.doubles(n, -1, 1).toArray();
  }

  @Test
  void staticDynamicAndDenseInverseAreOne() {
    var problem = FisherProblem.random(D, M, 1);
    var x = vector(D, 2);
    var dense = FisherProblem.solve(problem.fisher(0, D, LAMBDA), x);
    var matrixFree = new MatrixFreeInverse(doubles(problem.gradients()), LAMBDA);
    var sliding = new SlidingInverse(D, M, LAMBDA);
    for (var g : problem.gradients()) {
      sliding.insert(g);
    }

    assertThat(matrixFree.product(x)).containsExactly(dense, within(1e-10));
    assertThat(sliding.product(x)).containsExactly(dense, within(1e-10));
    var diagonal = matrixFree.diagonal(D);
    for (int i = 0; i < D; i++) {
      var unit = new double[D];
      unit[i] = 1;
      double expected = FisherProblem.solve(problem.fisher(0, D, LAMBDA), unit)[i];
      assertThat(diagonal[i]).isCloseTo(expected, within(1e-10));
    }
  }

  @Test
  void afterTheWindowHasWrappedItIsThatOfTheLastGradients() {
    var problem = FisherProblem.random(D, 2 * M + 3, 3);
    var sliding = new SlidingInverse(D, M, LAMBDA);
    for (var g : problem.gradients()) {
      sliding.insert(g);
      sliding.product(vector(D, 4));
    }
    var last = Arrays.copyOfRange(problem.gradients(), M + 3, 2 * M + 3);
    var rebuilt = new SlidingInverse(D, M, LAMBDA);
    for (var g : last) {
      rebuilt.insert(g);
    }
    var x = vector(D, 5);

    assertThat(sliding.product(x)).containsExactly(rebuilt.product(x), within(1e-10));
    assertThat(sliding.product(x))
        .containsExactly(
            FisherProblem.solve(new FisherProblem(problem.weights(), last).fisher(0, D, LAMBDA), x),
            within(1e-10));
  }

  @Test
  void withoutGradientsOnlyLambdaIsLeft() {
    var x = vector(D, 6);
    var expected = Arrays.stream(x).map(value -> value / LAMBDA).toArray();

    assertThat(new MatrixFreeInverse(new double[M][D], LAMBDA).product(x))
        .containsExactly(expected, within(1e-12));
    assertThat(new MatrixFreeInverse(new double[0][], LAMBDA).product(x))
        .containsExactly(expected, within(1e-12));
    assertThat(new SlidingInverse(D, M, LAMBDA).product(x))
        .containsExactly(expected, within(1e-12));
  }

  /** The same quadratic model as oBERT's where blocks are the same. */
  @Test
  void scoresAndUpdatesAreThoseOfOBertInTheSameBlocks() {
    int n = 60;
    int m = 10;
    var problem = FisherProblem.random(n, m, 7);
    var mfac =
        new MFac(
            new MFac.Config(
                FisherProblem.unstructured(0.5),
                FisherProblem.gathering(m),
                OptionalDouble.of(0.1),
                20,
                4));
    var obert = FisherProblem.obert(m, 0.1, 20, ai.lathe.tensor.Pattern.UNSTRUCTURED);
    try (var arena = Arena.ofShared()) {
      var rows = problem.add(mfac.curvature(n, 1, arena), arena);
      var blocks = problem.add(obert.curvature(n, 1, arena), arena);
      var ours = new float[n];
      var theirs = new float[n];
      mfac.score(problem.weights(), rows, ours);
      obert.score(problem.weights(), blocks, theirs);
      assertThat(ours).containsExactly(theirs, within(1e-5f));

      var chosen = new BitSet();
      List.of(3, 4, 19, 20, 58).forEach(chosen::set);
      var a = problem.weights().clone();
      var b = problem.weights().clone();
      mfac.prune(a, rows, 0.5, chosen);
      obert.prune(b, blocks, 0.5, chosen);
      assertThat(a).containsExactly(b, within(1e-4f));
      chosen.stream().forEach(i -> assertThat(a[i]).isZero());
    }
  }

  @Test
  void everyStepTakesTheSameShareOfWhatIsLeft() {
    var mfac =
        new MFac(
            new MFac.Config(
                FisherProblem.unstructured(0.75),
                FisherProblem.gathering(4),
                OptionalDouble.of(1e-5),
                128,
                2));
    assertThat(mfac.steps(0)).containsExactly(0.5, 0.75);
    // Half is gone already: densities 0.5, 0.3536, 0.25.
    assertThat(mfac.steps(0.5).getFirst()).isCloseTo(1 - 0.5 * Math.sqrt(0.5), within(1e-12));
  }
}
