package ai.lathe.compress.pruning.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.Pattern;
import java.lang.foreign.Arena;
import java.util.BitSet;
import org.junit.jupiter.api.Test;

class OBertTest {

  /** Diagonal OBD: rank by {@code w^2 (damp + mean g^2)}, move nobody. */
  @Test
  void inBlocksOfOneItIsOptimalBrainDamage() {
    int n = 200;
    int m = 8;
    double damp = 1e-3;
    var problem = FisherProblem.random(n, m, 1);
    var method = FisherProblem.obert(m, damp, 1, Pattern.UNSTRUCTURED);
    try (var arena = Arena.ofShared()) {
      var curvature = problem.add(method.curvature(n, 1, arena), arena);
      var scores = new float[n];
      method.score(problem.weights(), curvature, scores);
      for (int i = 0; i < n; i++) {
        double h = problem.fisher(i, i + 1, damp)[0];
        double w = problem.weights()[i];
        assertThat((double) scores[i]).isCloseTo(w * w * h / 2, within(1e-5 * w * w * h));
      }
      var chosen = new BitSet();
      chosen.set(10, 60);
      var after = problem.weights().clone();
      method.prune(after, curvature, 0.25, chosen);
      for (int i = 0; i < n; i++) {
        assertThat(after[i]).isEqualTo(chosen.get(i) ? 0 : problem.weights()[i]);
      }
    }
  }

  @Test
  void oneWeightCostsExactlyItsScore() {
    int n = 24;
    int m = 30;
    double damp = 0.05;
    var problem = FisherProblem.random(n, m, 2);
    var method = FisherProblem.obert(m, damp, n, Pattern.UNSTRUCTURED);
    var h = problem.fisher(0, n, damp);
    try (var arena = Arena.ofShared()) {
      var curvature = problem.add(method.curvature(n, 1, arena), arena);
      var scores = new float[n];
      method.score(problem.weights(), curvature, scores);
      for (int p = 0; p < n; p++) {
        var chosen = new BitSet();
        chosen.set(p);
        var after = problem.weights().clone();
        method.prune(after, curvature, 0.1, chosen);
        double cost = FisherProblem.quadratic(h, problem.change(after, 0, n));
        assertThat(after[p]).isZero();
        assertThat(cost).isCloseTo(scores[p], within(1e-5 * scores[p]));
      }
    }
  }

  /** Four at once: the cost of the group is the constrained minimum. */
  @Test
  void aBlockOfFourCostsExactlyItsScore() {
    int n = 32;
    int m = 50;
    double damp = 0.05;
    var problem = FisherProblem.random(n, m, 3);
    var method = FisherProblem.obert(m, damp, n, new Pattern.Blocks(1, 4));
    var h = problem.fisher(0, n, damp);
    try (var arena = Arena.ofShared()) {
      var curvature = problem.add(method.curvature(n, 1, arena), arena);
      var scores = new float[n / 4];
      method.score(problem.weights(), curvature, scores);
      for (int q = 0; q < n / 4; q++) {
        var chosen = new BitSet();
        chosen.set(q);
        var after = problem.weights().clone();
        method.prune(after, curvature, 0.1, chosen);
        double cost = FisherProblem.quadratic(h, problem.change(after, 0, n));
        for (int i = 0; i < n; i++) {
          assertThat(after[i] == 0).isEqualTo(i / 4 == q);
        }
        assertThat(cost).isCloseTo(scores[q], within(1e-4 * scores[q]));
      }
    }
  }

  @Test
  void whatIsZeroScoresNothingAndStaysZero() {
    int n = 64;
    var problem = FisherProblem.random(n, 12, 4);
    for (int i = 0; i < 8; i++) {
      problem.weights()[4 * i] = 0;
    }
    var method = FisherProblem.obert(12, 1e-3, 16, Pattern.UNSTRUCTURED);
    try (var arena = Arena.ofShared()) {
      var curvature = problem.add(method.curvature(n, 1, arena), arena);
      var scores = new float[n];
      method.score(problem.weights(), curvature, scores);
      var chosen = new BitSet();
      chosen.set(1);
      chosen.set(33);
      var after = problem.weights().clone();
      method.prune(after, curvature, 0.1, chosen);
      for (int i = 0; i < n; i++) {
        assertThat(scores[i] == 0).isEqualTo(problem.weights()[i] == 0);
        assertThat(after[i] == 0).isEqualTo(problem.weights()[i] == 0 || chosen.get(i));
      }
    }
  }
}
