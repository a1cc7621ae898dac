package ai.lathe.compress.pruning.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.tensor.Pattern;
import java.lang.foreign.Arena;
import java.util.BitSet;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CapTest {

  private static final double DAMP = 0.05;

  /** The minimum of {@code 1/2 d^T H d} with some weights at zero, solved for the others. */
  private static double[] constrained(double[] h, float[] w, BitSet zero) {
    int n = w.length;
    var free = IntStream.range(0, n).filter(i -> !zero.get(i)).toArray();
    var a = new double[free.length * free.length];
    var b = new double[free.length];
    for (int i = 0; i < free.length; i++) {
      for (int j = 0; j < free.length; j++) {
        a[i * free.length + j] = h[free[i] * n + free[j]];
      }
      for (int q = zero.nextSetBit(0); q >= 0; q = zero.nextSetBit(q + 1)) {
        b[i] += h[free[i] * n + q] * w[q];
      }
    }
    var d = free.length == 0 ? b : FisherProblem.solve(a, b);
    var change = new double[n];
    for (int i = 0; i < free.length; i++) {
      change[free[i]] = d[i];
    }
    for (int q = zero.nextSetBit(0); q >= 0; q = zero.nextSetBit(q + 1)) {
      change[q] = -w[q];
    }
    return change;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void afterEveryRemovalWeightsAreTheConstrainedMinimum(boolean withZeros) {
    int n = 8;
    int m = 20;
    var problem = FisherProblem.random(n, m, 11);
    if (withZeros) {
      problem.weights()[2] = 0;
      problem.weights()[5] = 0;
    }
    var h = problem.fisher(0, n, DAMP);
    var f = h.clone();
    Inverse.inPlace(f, n);
    var w = new double[n];
    for (int i = 0; i < n; i++) {
      w[i] = problem.weights()[i];
    }
    var elimination = new Elimination(w, f, Pattern.UNSTRUCTURED);
    var removed = new BitSet();
    for (int k = 0; k < n; k++) {
      assertThat(elimination.removeCheapest()).isTrue();
      removed.set(elimination.last());
      assertThat(elimination.lastWasZero()).isEqualTo(withZeros && k < 2);
      var expected = constrained(h, problem.weights(), removed);
      for (int i = 0; i < n; i++) {
        assertThat(w[i] - problem.weights()[i]).isCloseTo(expected[i], within(1e-9));
      }
      assertThat(elimination.loss()).isCloseTo(FisherProblem.quadratic(h, expected), within(1e-9));
    }
    assertThat(removed.cardinality()).isEqualTo(n);
    assertThat(elimination.removeCheapest()).isFalse();
  }

  @Test
  void oneRemovalOfABlockIsOBerts() {
    int n = 40;
    int m = 16;
    var problem = FisherProblem.random(n, m, 12);
    var cap = FisherProblem.cap(m, DAMP, n, FisherProblem.unstructured(0.5));
    var obert = FisherProblem.obert(m, DAMP, n, Pattern.UNSTRUCTURED);
    try (var arena = Arena.ofShared()) {
      var curvature = problem.add(cap.curvature(n, 1, arena), arena);
      var ours = new float[n];
      var theirs = new float[n];
      cap.score(problem.weights(), curvature, ours);
      obert.score(problem.weights(), curvature, theirs);
      int first = least(ours);
      assertThat(first).isEqualTo(least(theirs));
      assertThat(ours[first]).isCloseTo(theirs[first], within(1e-6f * theirs[first]));
      var chosen = new BitSet();
      chosen.set(first);
      var a = problem.weights().clone();
      var b = problem.weights().clone();
      cap.prune(a, curvature, 0, chosen);
      obert.prune(b, curvature, 0, chosen);
      assertThat(a).containsExactly(b, within(1e-6f));
    }
  }

  private static int least(float[] values) {
    return IntStream.range(0, values.length)
        .boxed()
        .min((a, b) -> Float.compare(values[a], values[b]))
        .orElseThrow();
  }

  /** The same Fisher, the same sparsity, each with its own choice: CAP costs less. */
  @ParameterizedTest
  @ValueSource(doubles = {0.25, 0.5, 0.75, 0.9})
  void costsNoMoreThanOBertInTheQuadraticModel(double share) {
    int n = 640;
    int size = 32;
    int m = 48;
    var problem = FisherProblem.random(n, m, 13);
    var cap = FisherProblem.cap(m, DAMP, size, FisherProblem.unstructured(share));
    var obert = FisherProblem.obert(m, DAMP, size, Pattern.UNSTRUCTURED);
    try (var arena = Arena.ofShared()) {
      var curvature = problem.add(cap.curvature(n, 1, arena), arena);
      double ours = cost(problem, cap, curvature, share, size);
      double theirs = cost(problem, obert, curvature, share, size);
      assertThat(ours).isLessThanOrEqualTo(theirs);
      if (share >= 0.5) {
        assertThat(ours).isLessThan(0.9 * theirs);
      }
    }
  }

  private static double cost(
      FisherProblem problem, GlobalMethod method, Curvature curvature, double share, int size) {
    int n = problem.weights().length;
    var scores = new float[n];
    method.score(problem.weights(), curvature, scores);
    var order =
        IntStream.range(0, n)
            .boxed()
            .sorted((a, b) -> Float.compare(scores[a], scores[b]))
            .toList();
    var chosen = new BitSet();
    order.subList(0, (int) Math.round(share * n)).forEach(chosen::set);
    var after = problem.weights().clone();
    method.prune(after, curvature, share, chosen);
    assertThat(zeros(after)).isEqualTo(chosen.cardinality());
    double cost = 0;
    for (int first = 0; first < n; first += size) {
      var h = problem.fisher(first, first + size, DAMP);
      cost += FisherProblem.quadratic(h, problem.change(after, first, first + size));
    }
    return cost;
  }

  private static int zeros(float[] weights) {
    return (int) IntStream.range(0, weights.length).filter(i -> weights[i] == 0).count();
  }

  @ParameterizedTest
  @CsvSource({"2, 4", "4, 8", "1, 4"})
  void everyGroupKeepsWhatThePatternSays(int kept, int of) {
    int n = 208;
    int m = 20;
    var problem = FisherProblem.random(n, m, 14);
    // Zeros that are there already count: a group may have more than the pattern wants.
    for (int i = 0; i < of - kept + 1; i++) {
      problem.weights()[i] = 0;
    }
    problem.weights()[of] = 0;
    var sparsity = Sparsity.of(Optional.empty(), new Pattern.SemiStructured(kept, of));
    var cap = FisherProblem.cap(m, DAMP, 16, sparsity);
    try (var arena = Arena.ofShared()) {
      var curvature = problem.add(cap.curvature(n, 1, arena), arena);
      var after = problem.weights().clone();
      cap.prune(after, curvature, sparsity.share(), null);
      for (int group = 0; group < n / of; group++) {
        int zeros = 0;
        for (int i = group * of; i < (group + 1) * of; i++) {
          zeros += after[i] == 0 ? 1 : 0;
          assertThat(after[i] == 0 || problem.weights()[i] != 0).isTrue();
        }
        assertThat(zeros).isEqualTo(of - kept + (group == 0 ? 1 : 0));
      }
    }
  }

  @Test
  void fastCapTakesTheShareOfEveryBlockAndMakesUpForIt() {
    int n = 1000;
    int m = 30;
    var problem = FisherProblem.random(n, m, 15);
    var method =
        new FastCap(
            new FastCap.Config(
                FisherProblem.unstructured(0.6), FisherProblem.gathering(m), 1e-2, 64));
    try (var arena = Arena.ofShared()) {
      var shared = problem.add((SharedFisher) method.curvature(n, 1, arena), arena);
      var after = problem.weights().clone();
      method.prune(after, shared, 0.6, null);
      assertThat(zeros(after)).isEqualTo(600);
      // Against the same zeros without moving anything, in the model that it minimizes.
      var h = shared.mean();
      double updated = 0;
      double plain = 0;
      for (int first = 0; first + 64 <= n; first += 64) {
        var moved = problem.change(after, first, first + 64);
        for (int i = 0; i < 64; i++) {
          for (int j = 0; j < 64; j++) {
            double di = after[first + i] == 0 ? -problem.weights()[first + i] : 0;
            double dj = after[first + j] == 0 ? -problem.weights()[first + j] : 0;
            updated += moved[i] * h.at(i, j) * moved[j];
            plain += di * h.at(i, j) * dj;
          }
        }
      }
      assertThat(updated).isLessThan(0.8 * plain);
    }
  }
}
