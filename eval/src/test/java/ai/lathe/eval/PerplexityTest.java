package ai.lathe.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PerplexityTest {

  @Test
  void ofAUniformModelIsTheVocabulary() {
    var uniform = new ScriptedModel(37, 64, (tokens, position) -> new float[37]);
    var result = Perplexity.measure(uniform, windows(5, 16, 37), Progress.NONE);
    assertThat(result.perplexity()).isCloseTo(37, within(1e-12));
    assertThat(result.perplexityLlamacpp()).isCloseTo(37, within(1e-12));
    assertThat(result.perplexityError()).isCloseTo(0, within(1e-7));
    assertThat(result.tokens()).isEqualTo(5 * 15);
    assertThat(result.windows()).isEqualTo(5);
  }

  /**
   * A window of 6: position 0 gives its successor probability 1/2, and so on to position 4 with
   * 1/32. All five count for the one way; positions 6/2 = 3 and 4 for llama.cpp's.
   */
  @Test
  void bothWaysByHand() {
    var model =
        new ScriptedModel(
            2,
            6,
            (tokens, position) -> {
              double p = Math.pow(2, -(position + 1));
              var logits = new float[2];
              int next = position + 1 < tokens.length ? tokens[position + 1] : 0;
              logits[next] = (float) Math.log(p / (1 - p));
              return logits;
            });
    var result = Perplexity.measure(model, List.of(new int[] {0, 1, 1, 0, 1, 0}), Progress.NONE);
    // Means of log2: (1 + 2 + 3 + 4 + 5) / 5 and (4 + 5) / 2.
    assertThat(result.perplexity()).isCloseTo(8, within(1e-6));
    assertThat(result.perplexityLlamacpp()).isCloseTo(Math.pow(2, 4.5), within(1e-5));
    // log2 has variance 2 over 1..5, so its mean has an error of sqrt(2 / 4).
    assertThat(result.perplexityError()).isCloseTo(8 * Math.log(2) * Math.sqrt(0.5), within(1e-5));
  }

  /** With an odd length, 7 / 2 = 3: positions 3, 4 and 5 are scored, 0 to 5 the other way. */
  @Test
  void secondHalfOfAnOddWindow() {
    var likelihood = new Perplexity.Likelihood();
    for (int position = 0; position < 6; position++) {
      likelihood.add(position, 7, position);
    }
    assertThat(likelihood.result(1).perplexityLlamacpp()).isCloseTo(Math.exp(4), within(1e-9));
    assertThat(likelihood.result(1).perplexity()).isCloseTo(Math.exp(2.5), within(1e-9));
  }

  @Test
  void ofARandomModelByBruteForce() {
    var model = ScriptedModel.random(101, 7, 2.5);
    var windows = windows(4, 33, 101);
    double all = 0;
    double half = 0;
    for (var window : windows) {
      for (int i = 0; i < 32; i++) {
        double nll = -Math.log(model.probabilities(window, i)[window[i + 1]]);
        all += nll;
        half += i >= 16 ? nll : 0;
      }
    }
    var result = Perplexity.measure(model, windows, Progress.NONE);
    assertThat(result.perplexity()).isCloseTo(Math.exp(all / (4 * 32)), within(1e-9));
    assertThat(result.perplexityLlamacpp()).isCloseTo(Math.exp(half / (4 * 16)), within(1e-9));
    assertThat(model.open).isZero();
    assertThat(model.forwards).isEqualTo(4);
  }

  @Test
  void doesNotDependOnHowManyRowsAreHeldAtATime() {
    var model = ScriptedModel.random(50, 3, 2);
    var windows = windows(3, 20, 50);
    var whole = Perplexity.measure(model, windows, Progress.NONE, LogitMath.BEST, 20);
    for (int capacity : new int[] {1, 2, 7, 18, 19, 100}) {
      assertThat(Perplexity.measure(model, windows, Progress.NONE, LogitMath.BEST, capacity))
          .isEqualTo(whole);
    }
  }

  @Test
  void tellsProgress() {
    var seen = new ArrayList<String>();
    Progress progress =
        (what, total) -> {
          seen.add(what + " " + total);
          return new Progress.Task() {
            @Override
            public void advance(long by) {
              seen.add("+" + by);
            }

            @Override
            public void note(String message) {
              seen.add(message);
            }

            @Override
            public void close() {
              seen.add("closed");
            }
          };
        };
    var uniform = new ScriptedModel(4, 64, (tokens, position) -> new float[4]);
    Perplexity.measure(uniform, windows(2, 8, 4), progress);
    assertThat(seen)
        .containsExactly(
            "perplexity 2", "+1", "perplexity 4.0000", "+1", "perplexity 4.0000", "closed");
  }

  @Test
  void logitsThatAreNotFiniteAreNamedByTheirPlace() {
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      var model =
          new ScriptedModel(
              5,
              64,
              (tokens, position) ->
                  new float[] {0, 1, tokens[0] == 1 && position == 6 ? bad : 2, 3, 4});
      var windows = List.of(new int[10], new int[10], new int[] {1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
      assertThatThrownBy(() -> Perplexity.measure(model, windows, Progress.NONE))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("model's logits are not finite in window 2 at position 6");
      assertThat(model.open).isZero();
    }
  }

  @Test
  void refusesWindowsThatTheModelCannotRun() {
    var model = new ScriptedModel(5, 8, (tokens, position) -> new float[5]);
    assertRefused(model, List.of(), "no windows");
    assertRefused(model, List.of(new int[2]), "window 0 has 2 tokens; at least 3");
    assertRefused(model, List.of(new int[9]), "at most 8 tokens at once");
    assertRefused(model, List.of(new int[] {0, 5, 0}), "token 5 is outside the model's vocabulary");
    assertRefused(model, List.of(new int[] {0, -1, 0}), "token -1 is outside");
    assertThat(model.forwards).isZero();
  }

  private static void assertRefused(ScriptedModel model, List<int[]> windows, String message) {
    assertThatThrownBy(() -> Perplexity.measure(model, windows, Progress.NONE))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining(message)
        .hasMessageNotContaining("\n");
  }

  static List<int[]> windows(int count, int length, int vocabulary) {
    var random = new Random(11);
    var windows = new ArrayList<int[]>();
    for (int i = 0; i < count; i++) {
      windows.add(random.ints(length, 0, vocabulary).toArray());
    }
    return windows;
  }
}
