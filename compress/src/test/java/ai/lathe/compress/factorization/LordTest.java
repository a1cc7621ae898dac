package ai.lathe.compress.factorization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.database.LevelSpec;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import ai.lathe.tensor.linalg.SymmetricEigen;
import ai.lathe.tensor.linalg.View;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class LordTest {

  private static final int OUT = 20;
  private static final int IN = 28;
  private static final int TOKENS = 150;
  private static final Factors EXACT = Factors.plain(DType.F32);

  /** {@code X [in, tokens]}, of inputs that hang together and have a mean. */
  private final Matrix x = inputs();

  private final Matrix w = gaussian(OUT, IN, 1);
  private final Layer layer = new Layer("layer", w);

  private static Matrix inputs() {
    var x = gaussian(IN, TOKENS, 2);
    Gemm.add(View.of(x), View.of(gaussian(IN, 3, 3)), View.of(gaussian(3, TOKENS, 4)));
    var mean = gaussian(IN, 1, 5);
    for (int i = 0; i < x.values().length; i++) {
      x.values()[i] += 2 * mean.values()[i / TOKENS];
    }
    return x;
  }

  private static Matrix product(View a, View b) {
    var product = Matrix.zeros(a.rows(), b.columns());
    Gemm.add(View.of(product), a, b);
    return product;
  }

  private static float[] mean(Matrix rows) {
    var mean = new float[rows.rows()];
    for (int i = 0; i < mean.length; i++) {
      double sum = 0;
      for (int t = 0; t < TOKENS; t++) {
        sum += rows.at(i, t);
      }
      mean[i] = (float) (sum / TOKENS);
    }
    return mean;
  }

  private LayerStatistics statistics() {
    var h = product(View.of(x), View.of(x).transposed());
    return new LayerStatistics(
        TOKENS,
        Optional.of(h),
        Optional.of(LayerStatistics.diagonal(h)),
        Optional.empty(),
        Optional.empty(),
        Optional.of(mean(x)));
  }

  private Solution solve(Lord.Config config) {
    return new Lord().solve(layer, statistics(), List.of(config)).getFirst();
  }

  private static Lord.Config config(double removed, int multiple) {
    return new Lord()
        .config(new Removal(removed), EXACT, Map.of("multiple", multiple, "dampening", 0));
  }

  /** Sum of squares of what a solution changes of the outputs. */
  private double lost(Solution solution) {
    var difference = solution.weight().decode();
    for (int i = 0; i < difference.values().length; i++) {
      difference.values()[i] = w.values()[i] - difference.values()[i];
    }
    var error = product(View.of(difference), View.of(x));
    var shift = solution.shift().orElse(new float[OUT]);
    double sum = 0;
    for (int i = 0; i < error.values().length; i++) {
      double e = error.values()[i] - shift[i / TOKENS];
      sum += e * e;
    }
    return sum;
  }

  /** Of the covariance of the outputs, times the tokens; descending. */
  private double[] eigenvalues() {
    var y = product(View.of(w), View.of(x));
    var mean = mean(y);
    var covariance = new double[OUT][OUT];
    for (int i = 0; i < OUT; i++) {
      for (int j = 0; j < OUT; j++) {
        for (int t = 0; t < TOKENS; t++) {
          covariance[i][j] += ((double) y.at(i, t) - mean[i]) * ((double) y.at(j, t) - mean[j]);
        }
      }
    }
    return SymmetricEigen.of(covariance).values();
  }

  @Test
  void whatIsLeftOfTheOutputsIsTheSumOfTheEigenvaluesThatAreDropped() {
    var values = eigenvalues();
    for (double removed : new double[] {0.1, 0.4, 0.7}) {
      int rank = config(removed, 1).rank(OUT, IN);
      assertThat(rank * (OUT + IN) + OUT).isLessThanOrEqualTo((int) ((1 - removed) * OUT * IN));
      double dropped = 0;
      for (int k = rank; k < OUT; k++) {
        dropped += values[k];
      }
      assertThat(lost(solve(config(removed, 1)))).isCloseTo(dropped, within(1e-3 * dropped));
    }
  }

  @Test
  void theFullRankIsExact() {
    var centred = statistics().centred().flatMap(LayerStatistics::gram).orElseThrow();
    var spectrum = Spectrum.of(w, new Metric.Full(centred));
    var product = EXACT.store(spectrum.truncated(OUT), w, Optional.empty());
    var solution = new Solution(product, List.of()).keepingMean(w, mean(x));
    for (float shift : solution.shift().orElseThrow()) {
      assertThat(shift).isCloseTo(0, within(1e-4f));
    }
    var decoded = product.decode();
    for (int i = 0; i < decoded.values().length; i++) {
      assertThat(decoded.values()[i]).isCloseTo(w.values()[i], within(1e-5f));
    }
  }

  @Test
  void theMeanOfTheOutputsStaysAndWithoutABiasItIsSvdLlm() {
    var solution = solve(config(0.5, 1));
    var before = mean(product(View.of(w), View.of(x)));
    var after = mean(product(View.of(solution.weight().decode()), View.of(x)));
    for (int i = 0; i < OUT; i++) {
      float kept = after[i] + solution.shift().orElseThrow()[i];
      assertThat(kept).isCloseTo(before[i], within(1e-3f));
    }
    var unbiased = new Lord().withoutBias(config(0.5, 1));
    assertThat(unbiased.shiftsBias()).isFalse();
    var plain = solve(unbiased);
    assertThat(plain.shift()).isEmpty();
    var whitened = new SvdLlm().config(new Removal(0.5), EXACT, Map.of("dampening", 0));
    var other = new SvdLlm().solve(layer, statistics(), List.of(whitened)).getFirst();
    assertThat(plain.weight().decode().values()).isEqualTo(other.weight().decode().values());
    assertThat(lost(solution)).isLessThan(lost(plain));
  }

  /** {@code E |e|^2 = E |e - E e|^2 + |E e|^2}: what the bias takes away, to the last digit. */
  @Test
  void theBiasTakesAwayTheMeanOfTheErrorAndNothingElse() {
    for (double removed : new double[] {0.2, 0.5, 0.8}) {
      var solution = solve(config(removed, 1));
      var weight = solution.weight();
      double mean = 0;
      for (float b : solution.shift().orElseThrow()) {
        mean += (double) b * b;
      }
      assertThat(mean).isPositive();
      double without = lost(new Solution(weight, List.of()));
      double with = lost(solution);
      assertThat(without).isCloseTo(with + TOKENS * mean, within(1e-5 * without));
      // Any other bias, such as the same in the other direction, leaves more.
      for (float factor : new float[] {-1, 0.9f, 1.1f}) {
        var other = solution.shift().orElseThrow().clone();
        for (int i = 0; i < OUT; i++) {
          other[i] *= factor;
        }
        double more = lost(new Solution(weight, Optional.of(other), List.of()));
        double expected = with + TOKENS * mean * (1 - factor) * (1 - factor);
        assertThat(more).isCloseTo(expected, within(1e-5 * expected));
      }
    }
  }

  @Test
  void ranksAreMultiplesAndUnknownInputsAreTold() {
    assertThat(config(0.1, 4).rank(OUT, IN)).isEqualTo(8);
    assertThat(new Lord().refusal(OUT, IN, config(0.1, 128)))
        .contains("a 20 x 28 matrix of rank 128 has more parameters than 90 % of its own");
    assertThatThrownBy(() -> config(0.1, 0)).isInstanceOf(LatheException.class);
    var unknown = new Lord().solve(layer, LayerStatistics.NONE, List.of(config(0.5, 1))).getFirst();
    assertThat(unknown.shift()).isEmpty();
    assertThat(unknown.fallbacks()).contains("nothing is known of its inputs: svd instead of lord");
    assertThatThrownBy(() -> LevelSpec.of("lord:0.2"))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("take svd-llm, or compress with --factorize lord");
  }
}
