package ai.lathe.compress.factorization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import ai.lathe.tensor.linalg.View;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DictionaryMethodTest {

  private static final Factors EXACT = Factors.plain(DType.F32);

  private static Matrix product(Matrix a, Matrix b) {
    var product = Matrix.zeros(a.rows(), b.columns());
    Gemm.add(View.of(product), View.of(a), View.of(b));
    return product;
  }

  /** Of 200 inputs that hang together. */
  private static LayerStatistics statistics(int n) {
    var x = gaussian(n, 200, 2);
    Gemm.add(View.of(x), View.of(gaussian(n, 3, 3)), View.of(gaussian(3, 200, 4)));
    var h = Matrix.zeros(n, n);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    return LayerStatistics.of(200, h);
  }

  /** Each output is made of few of the atoms, and a little of all inputs. */
  private static Matrix structured(int out, int in, int atoms, int each) {
    var random = new Random(5);
    var c = Matrix.zeros(out, atoms);
    for (int i = 0; i < out; i++) {
      for (int n = 0; n < each; n++) {
        c.set(i, random.nextInt(atoms), (float) random.nextGaussian());
      }
    }
    var w = product(c, gaussian(atoms, in, 6));
    var noise = gaussian(out, in, 7);
    for (int i = 0; i < w.values().length; i++) {
      w.values()[i] += 0.1f * noise.values()[i];
    }
    return w;
  }

  /** On the calibration data alone, unless settings say otherwise. */
  private static <C extends SolverConfig> Solution solve(
      FactorizationMethod<C> method,
      Matrix w,
      LayerStatistics statistics,
      double removed,
      Map<String, ?> settings) {
    var all = new HashMap<String, Object>(settings);
    all.putIfAbsent("dampening", 0);
    var config = method.config(new Removal(removed), EXACT, all);
    return method.solve(new Layer("layer", w), statistics, List.of(config)).getFirst();
  }

  private static <C extends SolverConfig> double error(
      FactorizationMethod<C> method,
      Matrix w,
      LayerStatistics statistics,
      double removed,
      Map<String, ?> settings) {
    var weight = solve(method, w, statistics, removed, settings).weight();
    return OutputError.relative(w, weight, statistics.gram().orElseThrow());
  }

  @ParameterizedTest
  @CsvSource({"24, 40", "40, 24", "32, 32"})
  void rocketOfAsManyAtomsAsAnOutputUsesIsSvdLlm(int out, int in) {
    var w = gaussian(out, in, 1);
    var statistics = statistics(in);
    for (double removed : new double[] {0.1, 0.4}) {
      double whitened = error(new SvdLlm(), w, statistics, removed, Map.of());
      double rocket = error(new Rocket(), w, statistics, removed, Map.of("ratio", 1));
      assertThat(rocket).isCloseTo(whitened, within(1e-6 * whitened));
    }
  }

  @ParameterizedTest
  @CsvSource({"24, 40", "40, 24", "32, 32"})
  void theClosedFormDictionaryLosesNoMoreThanSingularVectors(int out, int in) {
    var w = gaussian(out, in, 1);
    var spectrum = Spectrum.of(w, new Metric.Full(statistics(in).gram().orElseThrow()));
    var basis = new RocketBasis(spectrum);
    var target = basis.coordinates();
    for (double ratio : new double[] {1.3, 2, 3}) {
      var size = DictionarySize.of(out, in, new Removal(0.3), ratio, EXACT);
      var coefficients = basis.sparsified(size);
      assertThat(coefficients.mask().kept()).isEqualTo(size.kept());
      // The atoms of the start are the first vectors of the basis: what is not kept is lost.
      double before = 0;
      for (int i = 0; i < out; i++) {
        for (int j = 0; j < target.columns(); j++) {
          boolean kept = j < size.atoms() && coefficients.mask().keeps(i, j);
          before += kept ? 0 : target.at(i, j) * target.at(i, j);
        }
      }
      var fitted =
          product(coefficients.values(), Doubles.leastSquares(coefficients.values(), target));
      double after = 0;
      for (int i = 0; i < fitted.values().length; i++) {
        double difference = fitted.values()[i] - target.values()[i];
        after += difference * difference;
      }
      assertThat(after).isLessThan(before);
    }
  }

  @Test
  void everyRowKeepsAsManyAndTheBestOfTheRestComeBack() {
    var w = gaussian(40, 50, 1);
    var spectrum = Spectrum.of(w, new Metric.Full(statistics(50).gram().orElseThrow()));
    var size = DictionarySize.of(40, 50, new Removal(0.3), 2, EXACT);
    var mask = new RocketBasis(spectrum).sparsified(size).mask();
    long back = Math.round(0.005 * 40 * size.atoms());
    int each = (int) ((size.kept() - back) / 40);
    long more = 0;
    for (int i = 0; i < 40; i++) {
      int kept = mask.kept(i, 0, size.atoms());
      assertThat(kept).isGreaterThanOrEqualTo(each);
      more += kept - each;
    }
    assertThat(more).isEqualTo(size.kept() - 40L * each).isBetween(back, back + 39);
  }

  @ParameterizedTest
  @CsvSource({
    "rocket, 40, 56",
    "rocket, 56, 40",
    "rocket, 16, 90",
    "cospadi, 40, 56",
    "cospadi, 90, 16"
  })
  void parametersStayWithinTheBudgetAndUseItUp(String name, int out, int in) {
    var method = Factorizations.named(name);
    for (double removed : new double[] {0.05, 0.2, 0.5, 0.7}) {
      for (double ratio : new double[] {1, 1.1, 1.7, 3}) {
        budget(method, out, in, removed, ratio);
      }
    }
  }

  private static <C extends SolverConfig> void budget(
      FactorizationMethod<C> method, int out, int in, double removed, double ratio) {
    var config = method.config(new Removal(removed), EXACT, Map.of("ratio", ratio));
    assertThat(method.refusal(out, in, config)).isEmpty();
    var encoding = (Encoding.Product) method.encoding(config, out, in);
    int atoms = encoding.inner().getFirst();
    long kept =
        encoding.factors().getFirst() instanceof Encoding.Sparse sparse
            ? sparse.kept(out, atoms)
            : (long) out * atoms;
    long left = (long) Math.floor((1 - removed) * out * in);
    long unused = left - kept - (long) atoms * in;
    // Less than an atom more would take, or all that a matrix of full rank has.
    assertThat(unused).isNotNegative();
    if (kept < (long) out * atoms) {
      assertThat(unused).isLessThan(out);
    } else {
      assertThat(unused).isLessThan(out + in);
    }
    long bitmap = kept < (long) out * atoms ? out * Math.ceilDiv(atoms, 8L) : 0;
    assertThat(encoding.bytes(out, in)).isEqualTo(4 * (kept + (long) atoms * in) + bitmap);
  }

  @ParameterizedTest
  @ValueSource(strings = {"rocket", "cospadi"})
  void levelsInOneCallAreThoseOfSeparateCallsAndHaveTheBytesTheyTell(String name) {
    levels(Factorizations.named(name));
  }

  private static <C extends SolverConfig> void levels(FactorizationMethod<C> method) {
    var layer = new Layer("layer", gaussian(64, 64, 7));
    var statistics = statistics(64);
    var codes =
        new Factors(DType.F16, Optional.of(new IntegerScheme(8, 16, true, Activations.NONE)));
    var configs =
        List.of(
            method.config(new Removal(0.25), EXACT, Map.of()),
            method.config(new Removal(0.5), EXACT, Map.of("ratio", 2.5)),
            method.config(new Removal(0.25), Factors.plain(DType.BF16), Map.of()),
            method.config(new Removal(0.25), codes, Map.of()));
    var together = method.solve(layer, statistics, configs);
    for (int i = 0; i < configs.size(); i++) {
      var config = configs.get(i);
      var alone = method.solve(layer, statistics, List.of(config)).getFirst();
      assertThat(together.get(i).weight().decode().values())
          .isEqualTo(alone.weight().decode().values());
      assertThat(alone.fallbacks()).isEmpty();
      assertThat(alone.weight().encoding()).isEqualTo(method.encoding(config, 64, 64));
      assertThat(((Product) alone.weight()).factors().getFirst()).isInstanceOf(Sparse.class);
    }
    var h = statistics.gram().orElseThrow();
    double exact = OutputError.relative(layer.weight(), together.get(0).weight(), h);
    double half = OutputError.relative(layer.weight(), together.get(2).weight(), h);
    double coded = OutputError.relative(layer.weight(), together.get(3).weight(), h);
    assertThat(half).isCloseTo(exact, within(0.01 * exact));
    // 32 atoms, which groups of 16 divide. Coefficients are fitted once more where they are
    // rounded.
    assertThat(coded).isBetween(0.8 * exact, 1.05 * exact);
  }

  @Test
  void profiledErrorsAreThoseOfTheSolutions() {
    for (int out : new int[] {32, 96}) {
      var w = gaussian(out, 40, 8);
      var statistics = statistics(40);
      var profile =
          new Rocket()
              .profile(new Layer("l", w), statistics, List.of(0.2, 0.5), List.of(1.0, 1.5, 3.0));
      assertThat(profile.points()).hasSize(6);
      for (var point : profile.points()) {
        var settings = Map.of("ratio", point.ratio(), "dampening", Dampening.USUAL);
        var weight = solve(new Rocket(), w, statistics, point.removed(), settings).weight();
        var h = statistics.damped(Dampening.USUAL).gram().orElseThrow();
        double error = Math.sqrt(OutputError.relative(w, weight, h));
        assertThat(point.outputError()).isCloseTo(error, within(1e-5 * error));
        var identity = LayerStatistics.identity(40).gram().orElseThrow();
        double plain = Math.sqrt(OutputError.relative(w, weight, identity));
        assertThat(point.weightError()).isCloseTo(plain, within(1e-5 * plain));
        assertThat(profile.best(point.removed()).outputError())
            .isLessThanOrEqualTo(point.outputError());
      }
    }
    assertThat(Removal.GRID).hasSize(14).startsWith(0.05).endsWith(0.7);
    assertThat(DictionaryProfile.RATIOS).hasSize(21).startsWith(1.0).endsWith(3.0);
  }

  @Test
  void dictionariesBeatLowRankWhereOutputsAreMadeOfFewAtoms() {
    var w = structured(96, 48, 40, 6);
    var statistics = statistics(48);
    for (double removed : new double[] {0.2, 0.4}) {
      double whitened = error(new SvdLlm(), w, statistics, removed, Map.of());
      double rocket = error(new Rocket(), w, statistics, removed, Map.of());
      double learned = error(new CoSpaDi(), w, statistics, removed, Map.of());
      assertThat(learned).isLessThan(rocket);
      assertThat(rocket).isLessThan(whitened);
    }
  }

  @Test
  void refinementLosesLessAndIsTold() {
    var w = structured(48, 40, 30, 6);
    var statistics = statistics(40);
    var plain = solve(new Rocket(), w, statistics, 0.4, Map.of());
    var refined = solve(new Rocket(), w, statistics, 0.4, Map.of("refine", 60));
    var h = statistics.gram().orElseThrow();
    assertThat(OutputError.relative(w, refined.weight(), h))
        .isLessThan(0.99 * OutputError.relative(w, plain.weight(), h));
    assertThat(refined.weight().encoding()).isEqualTo(plain.weight().encoding());
    assertThat(mask(refined)).isEqualTo(mask(plain));
    assertThat(plain.fallbacks()).isEmpty();
    assertThat(refined.fallbacks())
        .singleElement()
        .asString()
        .startsWith("refined by 60 steps of Adam: relative output error ");
  }

  private static ai.lathe.tensor.Mask mask(Solution solution) {
    return ((Sparse) ((Product) solution.weight()).factors().getFirst()).mask();
  }

  @Test
  void aLimitOfTimeEndsLearningWithWhatThereIs() {
    var w = structured(96, 48, 40, 6);
    var statistics = statistics(48);
    var h = statistics.gram().orElseThrow();
    // None at all: each row is coded once, by singular vectors.
    var hasty = solve(new CoSpaDi(), w, statistics, 0.3, Map.of("seconds", 0));
    var patient = solve(new CoSpaDi(), w, statistics, 0.3, Map.of("seconds", 1e9));
    assertThat(hasty.fallbacks())
        .containsExactly("ended by the limit of 0.0 s in iteration 1 of at most 60");
    assertThat(patient.fallbacks()).isEmpty();
    assertThat(hasty.weight().encoding()).isEqualTo(patient.weight().encoding());
    assertThat(OutputError.relative(w, patient.weight(), h))
        .isLessThan(OutputError.relative(w, hasty.weight(), h));
    assertThat(OutputError.relative(w, hasty.weight(), h))
        .isLessThan(error(new SvdLlm(), w, statistics, 0.3, Map.of()));
  }

  /** What an allocation goes by is what the levels lose once they are made. */
  @ParameterizedTest
  @ValueSource(strings = {"svd", "rocket", "cospadi"})
  void errorsAreKnownBeforeLevelsAreMade(String name) {
    errorsAreKnown(Factorizations.named(name));
  }

  private static <C extends SolverConfig> void errorsAreKnown(FactorizationMethod<C> method) {
    var w = structured(48, 40, 30, 6);
    var statistics = statistics(40);
    var settings =
        method instanceof DictionaryMethod<?> ? Map.of("dampening", 0) : Map.<String, Object>of();
    var levels =
        Stream.of(0.2, 0.4)
            .map(removed -> method.config(new Removal(removed), EXACT, settings))
            .toList();
    var errors = method.errors(new Layer("layer", w), statistics, levels);
    for (int i = 0; i < levels.size(); i++) {
      var made = method.solve(new Layer("layer", w), statistics, List.of(levels.get(i)));
      var lost = RelativeErrors.of(w, made.getFirst().weight(), statistics);
      if (method instanceof CoSpaDi) {
        // Learned from what the errors are of.
        assertThat(lost.output()).isLessThan(errors.get(i).output());
      } else {
        assertThat(errors.get(i).output()).isCloseTo(lost.output(), within(1e-4));
        assertThat(errors.get(i).weight()).isCloseTo(lost.weight(), within(1e-4));
      }
      var encoding = method.encoding(levels.get(i), 48, 40);
      assertThat(Parameters.of(encoding, 48, 40))
          .isBetween(1L, new Removal(i == 0 ? 0.2 : 0.4).left(48, 40));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"rocket", "cospadi"})
  void layersWithoutRankOrDataAreNoObstacle(String name) {
    var method = Factorizations.named(name);
    var zero = solve(method, Matrix.zeros(24, 32), statistics(32), 0.3, Map.of());
    assertThat(zero.weight().decode().values()).containsOnly(0f);
    // 5 tokens, and a weight of rank 2.
    var h = Matrix.zeros(32, 32);
    var x = gaussian(32, 5, 9);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    var w = product(gaussian(24, 2, 10), gaussian(2, 32, 11));
    assertThat(error(method, w, LayerStatistics.of(5, h), 0.3, Map.of())).isLessThan(1e-9);
    var unknown = solve(method, w, LayerStatistics.NONE, 0.3, Map.of());
    assertThat(unknown.fallbacks())
        .containsExactly("nothing is known of its inputs: errors of all weights count alike");
    assertThat(((Product) unknown.weight()).factors().getLast()).isInstanceOf(Dense.class);
  }

  @Test
  void mistakesAreToldInALine() {
    assertThatThrownBy(() -> new Rocket().config(new Removal(0.2), EXACT, Map.of("ratio", 0.5)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("is from 1 to 16 (2 is usual), not 0.5");
    assertThatThrownBy(() -> new Rocket().config(new Removal(0.2), EXACT, Map.of("ration", 2)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("did you mean 'ratio'");
    assertThatThrownBy(() -> new CoSpaDi().config(new Removal(0.2), EXACT, Map.of("iterations", 0)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("60 is usual");
    var rocket = new Rocket().config(new Removal(0.95), EXACT, Map.of());
    assertThat(new Rocket().refusal(8, 8, rocket)).isPresent();
    assertThat(new Rocket().refusal(80, 80, rocket)).isEmpty();
  }
}
