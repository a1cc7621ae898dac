package ai.lathe.compress.factorization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import ai.lathe.tensor.linalg.View;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LowRankMethodTest {

  private static final Factors EXACT = Factors.plain(DType.F32);

  /** Of inputs that hang together. */
  private static Matrix gram(int n, int tokens) {
    var x = gaussian(n, tokens, 2);
    Gemm.add(View.of(x), View.of(gaussian(n, 3, 3)), View.of(gaussian(3, tokens, 4)));
    var h = Matrix.zeros(n, n);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    return h;
  }

  private static LinearWeight solve(Matrix w, Matrix h, double removed, String method) {
    var settings = method.equals("svd-llm") ? Map.of("dampening", 0) : Map.<String, Object>of();
    return solve(w, h, removed, Factorizations.named(method), settings);
  }

  private static <C extends ai.lathe.compress.layer.SolverConfig> LinearWeight solve(
      Matrix w, Matrix h, double removed, FactorizationMethod<C> method, Map<String, ?> settings) {
    var config = method.config(new Removal(removed), EXACT, settings);
    return method.solve(new Layer("layer", w), statistics(h), List.of(config)).getFirst().weight();
  }

  private static LayerStatistics statistics(Matrix h) {
    var magnitude = LayerStatistics.diagonal(h).clone();
    for (int j = 0; j < magnitude.length; j++) {
      magnitude[j] = (float) Math.sqrt(magnitude[j] / 100);
    }
    return new LayerStatistics(
        100,
        Optional.of(h),
        Optional.of(LayerStatistics.diagonal(h)),
        Optional.empty(),
        Optional.of(magnitude),
        Optional.empty());
  }

  @ParameterizedTest
  @CsvSource({"24, 40", "40, 24", "32, 32"})
  void droppingSingularValuesCostsExactlyTheirSquares(int out, int in) {
    var w = gaussian(out, in, 1);
    var h = gram(in, 200);
    var spectrum = Spectrum.of(w, new Metric.Full(h));
    double all = OutputError.energy(w, h);
    for (double removed : new double[] {0.1, 0.3, 0.6}) {
      int rank = new Removal(removed).rank(out, in);
      double dropped = 0;
      for (int k = rank; k < spectrum.s().length; k++) {
        dropped += spectrum.s()[k] * spectrum.s()[k];
      }
      double lost = OutputError.relative(w, solve(w, h, removed, "svd-llm"), h) * all;
      assertThat(Math.sqrt(lost)).isCloseTo(Math.sqrt(dropped), within(1e-6 * Math.sqrt(dropped)));
    }
    double energy = 0;
    for (double s : spectrum.s()) {
      energy += s * s;
    }
    assertThat(energy).isCloseTo(all, within(1e-6 * all));
  }

  @ParameterizedTest
  @CsvSource({"24, 40", "40, 24"})
  void bothWaysToDecomposeAgree(int out, int in) {
    // The same numbers as inputs of one and outputs of the other: singular values do not tell.
    var w = gaussian(out, in, 1);
    var transposed = Matrix.zeros(in, out);
    for (int i = 0; i < out; i++) {
      for (int j = 0; j < in; j++) {
        transposed.set(j, i, w.at(i, j));
      }
    }
    var one = Spectrum.of(w, Metric.PLAIN).s();
    var other = Spectrum.of(transposed, Metric.PLAIN).s();
    for (int k = 0; k < Math.min(out, in); k++) {
      assertThat(one[k]).isCloseTo(other[k], within(1e-6 * one[0]));
    }
  }

  @Test
  void whatWeighsOutputsLosesLessOfThem() {
    var w = gaussian(32, 48, 5);
    var h = gram(48, 200);
    double svd = OutputError.relative(w, solve(w, h, 0.4, "svd"), h);
    double asvd = OutputError.relative(w, solve(w, h, 0.4, "asvd"), h);
    double whitened = OutputError.relative(w, solve(w, h, 0.4, "svd-llm"), h);
    assertThat(whitened).isLessThan(asvd).isLessThan(svd);
  }

  /** Judged on inputs that were not seen. */
  @ParameterizedTest
  @CsvSource({"30, 0.4, 0.9", "20000, 0.999, 1.001"})
  void dampeningHelpsWithFewTokensAndChangesNothingWithMany(
      int tokens, double least, double greatest) {
    int n = 48;
    var w = gaussian(40, n, 5);
    // Inputs of one distribution: the causes that they share are the same.
    var causes = gaussian(n, 2, 3);
    var seen = LayerStatistics.of(tokens, gram(causes, tokens, 11));
    var others = gram(causes, 4000, 21);
    var errors = new double[2];
    for (int c = 0; c < 2; c++) {
      var config = new SvdLlm().config(new Removal(0.2), EXACT, Map.of("dampening", c));
      var weight = new SvdLlm().solve(new Layer("l", w), seen, List.of(config)).getFirst().weight();
      errors[c] = OutputError.relative(w, weight, others);
    }
    assertThat(errors[1] / errors[0]).isBetween(least, greatest);
    assertThat(seen.damped(1)).isSameAs(seen.damped(1)).isNotSameAs(seen);
    assertThat(seen.damped(0)).isSameAs(seen);
  }

  private static Matrix gram(Matrix causes, int tokens, long seed) {
    int n = causes.rows();
    var x = gaussian(n, tokens, seed);
    Gemm.add(View.of(x), View.of(causes), View.of(gaussian(causes.columns(), tokens, seed + 1)));
    var h = Matrix.zeros(n, n);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    return h;
  }

  @Test
  void asvdWithoutItsExponentIsSvd() {
    var w = gaussian(20, 30, 6);
    var h = gram(30, 100);
    var plain = solve(w, h, 0.3, new Svd(), Map.of()).decode().values();
    var asvd = solve(w, h, 0.3, new Asvd(), Map.of("alpha", 0)).decode().values();
    for (int i = 0; i < plain.length; i++) {
      assertThat(asvd[i]).isCloseTo(plain[i], within(1e-4f));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"svd", "asvd", "svd-llm"})
  void levelsInOneCallAreThoseOfSeparateCallsAndHaveTheBytesTheyTell(String name) {
    levels(Factorizations.named(name));
  }

  private static <C extends ai.lathe.compress.layer.SolverConfig> void levels(
      FactorizationMethod<C> method) {
    var w = gaussian(32, 64, 7);
    var layer = new Layer("layer", w);
    var statistics = statistics(gram(64, 200));
    var codes =
        new Factors(DType.F16, Optional.of(new IntegerScheme(8, 32, true, Activations.NONE)));
    var configs =
        List.of(
            method.config(new Removal(0.2), EXACT, Map.of()),
            method.config(new Removal(0.5), EXACT, Map.of()),
            method.config(new Removal(0.5), codes, Map.of()));
    var together = method.solve(layer, statistics, configs);
    for (int i = 0; i < configs.size(); i++) {
      var config = configs.get(i);
      Solution alone = method.solve(layer, statistics, List.of(config)).getFirst();
      assertThat(together.get(i).weight().decode().values())
          .isEqualTo(alone.weight().decode().values());
      assertThat(alone.fallbacks()).isEmpty();
      assertThat(alone.weight().encoding()).isEqualTo(method.encoding(config, 32, 64));
    }
    long half = method.encoding(configs.get(1), 32, 64).bytes(32, 64);
    assertThat(half).isLessThanOrEqualTo(4 * 32 * 64 / 2).isGreaterThan(4 * 32 * 64 / 2 - 4 * 96);
  }

  @Test
  void inputsThatSpanLessThanTheirNumberAreNoObstacle() {
    var w = gaussian(40, 24, 8);
    var h = Matrix.zeros(24, 24);
    var x = gaussian(24, 5, 9);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    var weight = solve(w, h, 0.4, "svd-llm");
    // Rank 9 holds all that 5 tokens can show.
    assertThat(OutputError.relative(w, weight, h)).isLessThan(1e-6);
  }

  @Test
  void mistakesAreToldInALine() {
    assertThatThrownBy(() -> new Removal(1))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("0.2 is usual");
    assertThatThrownBy(() -> Factorizations.named("svdllm"))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("svd-llm");
    var config = new Svd().config(new Removal(0.9), EXACT, Map.of());
    assertThat(new Svd().refusal(8, 8, config)).isPresent();
    assertThat(new Svd().refusal(80, 80, config)).isEmpty();
  }
}
