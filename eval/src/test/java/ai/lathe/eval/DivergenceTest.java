package ai.lathe.eval;

import static ai.lathe.eval.PerplexityTest.windows;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.model.Masking;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class DivergenceTest {

  private static final int V = 61;

  @Test
  void ofAModelFromItselfIsNone() {
    var windows = windows(3, 17, V);
    var result = measure(model(1), model(1), windows);
    assertThat(result.kl().mean()).isZero();
    assertThat(result.kl().max()).isZero();
    assertThat(result.kl().error()).isZero();
    assertThat(result.ear()).isCloseTo(1, within(1e-15));
    assertThat(result.top1()).isEqualTo(1);
    assertThat(result.model()).isEqualTo(result.reference());
  }

  @Property(tries = 50)
  void bounds(
      @ForAll @IntRange(min = 2, max = 90) int vocabulary,
      @ForAll long seed,
      @ForAll @DoubleRange(min = 0, max = 30) double noise) {
    var p = ScriptedModel.random(vocabulary, seed, 3);
    var result = measure(p.disturbed(seed + 1, noise), p, windows(1, 9, vocabulary));
    assertThat(result.kl().min()).isGreaterThanOrEqualTo(0);
    assertThat(result.ear()).isBetween(0.0, 1.0);
    assertThat(result.top1()).isBetween(0.0, 1.0);
  }

  /** KL by its definition, EAR as one minus the total variation distance, all in float64. */
  @Test
  void byBruteForce() {
    var p = model(1);
    var q = p.disturbed(5, 0.7);
    var windows = windows(3, 17, V);
    var divergences = new double[3 * 16];
    double acceptance = 0;
    int agreements = 0;
    for (int w = 0; w < 3; w++) {
      for (int i = 0; i < 16; i++) {
        var a = p.probabilities(windows.get(w), i);
        var b = q.probabilities(windows.get(w), i);
        double variation = 0;
        for (int v = 0; v < V; v++) {
          divergences[w * 16 + i] += a[v] * Math.log(a[v] / b[v]);
          variation += Math.abs(a[v] - b[v]) / 2;
        }
        acceptance += 1 - variation;
        agreements += likeliest(a) == likeliest(b) ? 1 : 0;
      }
    }
    var result = measure(q, p, windows);
    var sorted = divergences.clone();
    Arrays.sort(sorted);
    double mean = Arrays.stream(divergences).average().orElseThrow();
    double variance =
        Arrays.stream(divergences).map(d -> (d - mean) * (d - mean)).average().orElseThrow();
    assertThat(result.kl().mean()).isCloseTo(mean, within(1e-13));
    assertThat(result.kl().error()).isCloseTo(Math.sqrt(variance / 47), within(1e-13));
    assertThat(result.kl().max()).isCloseTo(sorted[47], within(1e-13));
    assertThat(result.kl().min()).isCloseTo(sorted[0], within(1e-13));
    assertThat(result.kl().median()).isCloseTo((sorted[23] + sorted[24]) / 2, within(1e-13));
    // 0.9 of 47 steps is 42.3.
    assertThat(result.kl().p90()).isCloseTo(sorted[42] * 0.7 + sorted[43] * 0.3, within(1e-13));
    assertThat(result.ear()).isCloseTo(acceptance / 48, within(1e-13));
    double top1 = agreements / 48.0;
    assertThat(top1).isStrictlyBetween(0.0, 1.0);
    assertThat(result.top1()).isCloseTo(top1, within(1e-13));
    assertThat(result.top1Error()).isCloseTo(Math.sqrt(top1 * (1 - top1) / 47), within(1e-13));
    assertThat(result.reference()).isEqualTo(Perplexity.measure(p, windows, Progress.NONE));
    assertThat(result.model()).isEqualTo(Perplexity.measure(q, windows, Progress.NONE));
  }

  /** Windows of different lengths: 1 token of context, 2 to 3, 4 to 7, 8 to 11. */
  @Test
  void byPosition() {
    var p = model(1);
    var q = p.disturbed(5, 0.7);
    var windows = List.of(windows(1, 12, V).getFirst(), windows(1, 6, V).getFirst());
    var result = measure(q, p, windows);
    // The shorter window ends with 5 tokens seen.
    var ranges = new int[][] {{1, 1, 2}, {2, 3, 4}, {4, 7, 4 + 2}, {8, 11, 4}};
    assertThat(result.byPosition()).hasSize(4);
    double sum = 0;
    for (int r = 0; r < 4; r++) {
      var range = result.byPosition().get(r);
      assertThat(new long[] {range.from(), range.to(), range.tokens()})
          .containsExactly(ranges[r][0], ranges[r][1], ranges[r][2]);
      var divergences = new ArrayList<Double>();
      for (var window : windows) {
        for (int seen = range.from(); seen <= range.to() && seen < window.length; seen++) {
          var a = p.probabilities(window, seen - 1);
          var b = q.probabilities(window, seen - 1);
          double kl = 0;
          for (int v = 0; v < V; v++) {
            kl += a[v] * Math.log(a[v] / b[v]);
          }
          divergences.add(kl);
        }
      }
      double mean = divergences.stream().mapToDouble(d -> d).average().orElseThrow();
      assertThat(range.kl()).isCloseTo(mean, within(1e-13));
      sum += range.kl() * range.tokens();
    }
    assertThat(sum / 16).as("all of them").isCloseTo(result.kl().mean(), within(1e-13));
  }

  @Test
  void acceptanceIsSymmetricAndDivergenceIsNot() {
    var p = model(1);
    var q = p.disturbed(5, 1);
    var windows = windows(2, 17, V);
    var forth = measure(q, p, windows);
    var back = measure(p, q, windows);
    assertThat(forth.ear()).isCloseTo(back.ear(), within(1e-14));
    assertThat(forth.top1()).isEqualTo(back.top1());
    assertThat(Math.abs(forth.kl().mean() - back.kl().mean())).isGreaterThan(1e-4);
  }

  /**
   * The best coupling of two distributions agrees as often as EAR says: draw from q, keep with
   * probability min(1, p / q).
   */
  @Test
  void acceptanceIsTheAgreementOfTheMaximalCoupling() {
    var p = model(1);
    var q = p.disturbed(5, 1);
    var window = windows(1, 3, V).getFirst();
    var random = new Random(3);
    int trials = 200_000;
    int accepted = 0;
    for (int position = 0; position < 2; position++) {
      var a = p.probabilities(window, position);
      var b = q.probabilities(window, position);
      for (int i = 0; i < trials; i++) {
        double u = random.nextDouble();
        int draft = 0;
        while (draft < V - 1 && (u -= b[draft]) >= 0) {
          draft++;
        }
        accepted += random.nextDouble() < a[draft] / b[draft] ? 1 : 0;
      }
    }
    double rate = accepted / (2.0 * trials);
    assertThat(rate).isStrictlyBetween(0.2, 0.95);
    double sigma = Math.sqrt(rate * (1 - rate) / (2 * trials));
    assertThat(measure(q, p, List.of(window)).ear()).isCloseTo(rate, within(4 * sigma));
  }

  /**
   * Small divergences keep their digits: for noise of standard deviation s the expected KL is near
   * s^2 / 2 times (1 - sum p^2), and scales with s^2.
   */
  @Test
  void smallDivergencesAreAccurate() {
    var p = model(1);
    var windows = windows(1, 9, V);
    for (double scale : new double[] {1e-3, 1e-4}) {
      var q = p.disturbed(9, scale);
      double exact = 0;
      for (int i = 0; i < 8; i++) {
        var a = p.probabilities(windows.getFirst(), i);
        var x = p.logits(windows.getFirst(), i);
        var y = q.logits(windows.getFirst(), i);
        // KL is the log of the mean of exp(d) less the mean of d, d = y - x, under p.
        double meanD = 0;
        for (int v = 0; v < V; v++) {
          meanD += a[v] * ((double) y[v] - x[v]);
        }
        double above = 0;
        for (int v = 0; v < V; v++) {
          above += a[v] * Math.expm1((double) y[v] - x[v] - meanD);
        }
        exact += Math.log1p(above) / 8;
      }
      assertThat(measure(q, p, windows).kl().mean()).isCloseTo(exact, within(exact * 1e-5));
    }
  }

  @Test
  void doesNotDependOnHowManyRowsAreHeldAtATime() {
    var p = model(1);
    var q = p.disturbed(5, 0.5);
    var windows = windows(3, 20, V);
    var whole = Divergence.measure(q, p, windows, Progress.NONE, LogitMath.BEST, 20);
    for (int capacity : new int[] {1, 2, 7, 18, 19, 100}) {
      assertThat(Divergence.measure(q, p, windows, Progress.NONE, LogitMath.BEST, capacity))
          .isEqualTo(whole);
    }
  }

  /** At the masked tokens' own positions, by definition, and nowhere else. */
  @Test
  void ofMaskedTokensByBruteForce() {
    var p = model(1);
    var q = p.disturbed(5, 0.7);
    var texts =
        windows(3, 17, V).stream()
            .map(w -> new Masking(0, Set.of(0), V).corrupt(w, new SplittableRandom(w[0])))
            .toList();
    double divergence = 0;
    double likelihood = 0;
    int count = 0;
    for (var text : texts) {
      for (int i = 0; i < 17; i++) {
        if (text.labels()[i] != Masking.UNLABELLED) {
          var a = p.probabilities(text.tokens(), i);
          var b = q.probabilities(text.tokens(), i);
          for (int v = 0; v < V; v++) {
            divergence += a[v] * Math.log(a[v] / b[v]);
          }
          likelihood -= Math.log(b[text.labels()[i]]);
          count++;
        }
      }
    }
    var result = Divergence.measureMasked(q, p, texts, Progress.NONE);
    assertThat(result.model().tokens()).isEqualTo(count);
    assertThat(result.kl().mean()).isCloseTo(divergence / count, within(1e-12));
    assertThat(result.model().perplexity()).isCloseTo(Math.exp(likelihood / count), within(1e-9));
    var plain = new Masking.Text(new int[] {1, 2, 3}, new int[] {-100, -100, -100});
    assertThatThrownBy(() -> Divergence.measureMasked(q, p, List.of(plain), Progress.NONE))
        .isInstanceOf(LatheException.class)
        .hasMessage("there are no tokens to predict");
  }

  @Test
  void scalarAndVectorAgree() {
    var p = model(1);
    var q = p.disturbed(5, 0.5);
    var windows = windows(3, 20, V);
    var scalar = Divergence.measure(q, p, windows, Progress.NONE, new ScalarLogitMath(), 20);
    var vector = Divergence.measure(q, p, windows, Progress.NONE, new VectorLogitMath(), 20);
    assertThat(vector.kl().mean()).isCloseTo(scalar.kl().mean(), within(1e-14));
    assertThat(vector.ear()).isCloseTo(scalar.ear(), within(1e-14));
    assertThat(vector.model().perplexity()).isCloseTo(scalar.model().perplexity(), within(1e-10));
  }

  @Test
  void refusesModelsOfDifferentVocabularies() {
    assertThatThrownBy(() -> measure(ScriptedModel.random(8, 1, 1), model(1), windows(1, 4, 8)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("vocabulary of 8 and the reference one of 61");
  }

  @Test
  void saysWhichModelIsBroken() {
    var p = model(1);
    var broken =
        new ScriptedModel(
            V,
            1024,
            (tokens, position) -> {
              var logits = p.logits(tokens, position).clone();
              logits[60] = position == 3 ? Float.NaN : 0;
              return logits;
            });
    var windows = windows(1, 8, V);
    assertThatThrownBy(() -> measure(broken, p, windows))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("the model's logits are not finite in window 0 at position 3");
    assertThatThrownBy(() -> measure(p, broken, windows))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("the reference's logits are not finite in window 0 at position 3");
    assertThat(broken.open + p.open).isZero();
  }

  private static ScriptedModel model(long seed) {
    return ScriptedModel.random(V, seed, 2);
  }

  private static Divergence.Result measure(
      ScriptedModel model, ScriptedModel reference, List<int[]> windows) {
    return Divergence.measure(model, reference, windows, Progress.NONE);
  }

  private static int likeliest(double[] p) {
    int best = 0;
    for (int i = 1; i < p.length; i++) {
      best = p[i] > p[best] ? i : best;
    }
    return best;
  }
}
