package ai.lathe.compress.factorization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.View;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Monarch, matrix product operators and Kronecker products. */
class StructuredTest {

  private static final Factors EXACT = Factors.plain(DType.F32);
  private static final Map<String, ?> PLAIN = Map.of("metric", "plain");

  private static LinearWeight solve(
      Matrix w, LayerStatistics known, double removed, String method, Map<String, ?> settings) {
    return solve(w, known, removed, Factorizations.named(method), settings);
  }

  /** In closed form, not fitted to the outputs afterwards. */
  private static <C extends SolverConfig> LinearWeight solve(
      Matrix w,
      LayerStatistics known,
      double removed,
      FactorizationMethod<C> method,
      Map<String, ?> settings) {
    var projected = new HashMap<String, Object>(settings);
    if (!(method instanceof Svd)) {
      projected.put("fit", false);
    }
    var config = method.config(new Removal(removed), EXACT, projected);
    assertThat(method.refusal(w.rows(), w.columns(), config)).isEmpty();
    var solution = method.solve(new Layer("layer", w), known, List.of(config)).getFirst();
    assertThat(solution.weight().encoding())
        .isEqualTo(method.encoding(config, w.rows(), w.columns()));
    return solution.weight();
  }

  private static double distance(Matrix a, Matrix b) {
    double sum = 0;
    for (int i = 0; i < a.values().length; i++) {
      double difference = a.values()[i] - b.values()[i];
      sum += difference * difference;
    }
    return sum;
  }

  private static double energy(Matrix a) {
    return distance(a, Matrix.zeros(a.rows(), a.columns()));
  }

  /** The largest singular value squared, by many power iterations from several starts. */
  private static double largest(double[][] slice, Random random) {
    double best = 0;
    for (int start = 0; start < 3; start++) {
      var v = random.doubles(slice[0].length, -1, 1).toArray();
      double value = 0;
      for (int iteration = 0; iteration < 400; iteration++) {
        var u = new double[slice.length];
        for (int l = 0; l < u.length; l++) {
          for (int i = 0; i < v.length; i++) {
            u[l] += slice[l][i] * v[i];
          }
        }
        var next = new double[v.length];
        double norm = 0;
        for (int i = 0; i < v.length; i++) {
          for (int l = 0; l < u.length; l++) {
            next[i] += slice[l][i] * u[l];
          }
          norm += next[i] * next[i];
        }
        value = Math.sqrt(norm);
        for (int i = 0; i < v.length; i++) {
          v[i] = next[i] / value;
        }
      }
      best = Math.max(best, value);
    }
    return best;
  }

  @ParameterizedTest
  @CsvSource({"24, 32", "32, 24", "16, 16"})
  void monarchIsTheBestOfRankOneInEverySlice(int out, int in) {
    int n = 4;
    double removed = 0.45;
    var w = gaussian(out, in, 1);
    var weight = solve(w, LayerStatistics.NONE, removed, "monarch", PLAIN);
    assertThat(new Removal(removed).left(out, in) / (n * (out + in))).isEqualTo(1);
    double expected = energy(w);
    var random = new Random(2);
    for (int j = 0; j < n; j++) {
      for (int k = 0; k < n; k++) {
        var slice = new double[out / n][in / n];
        for (int l = 0; l < out / n; l++) {
          for (int i = 0; i < in / n; i++) {
            slice[l][i] = w.at(l * n + j, k * (in / n) + i);
          }
        }
        expected -= largest(slice, random);
      }
    }
    assertThat(distance(w, weight.decode())).isCloseTo(expected, within(1e-4 * expected));
  }

  @Test
  void monarchOfAMonarchMatrixIsItself() {
    var once = solve(gaussian(24, 40, 3), LayerStatistics.NONE, 0.3, "monarch", PLAIN).decode();
    var twice = solve(once, LayerStatistics.NONE, 0.3, "monarch", PLAIN).decode();
    assertThat(distance(once, twice)).isLessThan(1e-9 * energy(once));
  }

  /** Slices may have less rank than is there for them, or be zero. */
  @ParameterizedTest
  @ValueSource(strings = {"monarch", "mpo", "kronecker"})
  void whatIsOfLowerRankIsExact(String name) {
    exact(Factorizations.named(name));
  }

  private static <C extends SolverConfig> void exact(FactorizationMethod<C> method) {
    var w = Matrix.zeros(48, 64);
    for (int i = 0; i < w.values().length; i++) {
      w.values()[i] = i % 64 / 16 == 1 ? 0 : 0.7f;
    }
    for (var type : List.of(DType.F32, DType.F16, DType.BF16)) {
      double rounding = type == DType.F32 ? 1e-9 : type == DType.F16 ? 1e-6 : 1e-4;
      for (var matrix : List.of(w, Matrix.zeros(48, 64))) {
        var config = method.config(new Removal(0.2), Factors.plain(type), PLAIN);
        var solution =
            method.solve(new Layer("layer", matrix), LayerStatistics.NONE, List.of(config));
        assertThat(distance(matrix, solution.getFirst().weight().decode()))
            .isLessThanOrEqualTo(rounding * energy(matrix));
      }
    }
  }

  @Test
  void monarchOfOneBlockIsSvd() {
    var w = gaussian(24, 40, 4);
    var settings = Map.of("metric", "plain", "blocks", 1);
    var one = solve(w, LayerStatistics.NONE, 0.3, "monarch", settings).decode();
    var svd = solve(w, LayerStatistics.NONE, 0.3, "svd", Map.of()).decode();
    assertThat(distance(one, svd)).isLessThan(1e-9 * energy(svd));
  }

  private static Matrix product(CoreChain chain, Cores sizes) {
    var factors = new ArrayList<LinearWeight>();
    for (int k = 0; k < sizes.count(); k++) {
      var block = Dense.of(chain.cores().get(k)).tensor();
      factors.add(ModeMatrix.shared(block, sizes.outer(k), sizes.inner(k)));
    }
    return new Product(factors).decode();
  }

  @ParameterizedTest
  @CsvSource({"24, 36, 2", "36, 24, 3", "16, 81, 4", "30, 7, 3"})
  void coresWithFullBondsAreExactAndTruncatedOnesWithinTheirBound(int out, int in, int count) {
    var w = gaussian(out, in, 5);
    var sizes = Cores.even(out, in, count);
    var full = sizes.bonds(Integer.MAX_VALUE);
    var exact = CoreChain.of(w, sizes, full);
    assertThat(distance(w, product(exact, sizes))).isLessThan(1e-9 * energy(w));
    double last = 0;
    for (int most = 1; most <= 12; most += 3) {
      var chain = CoreChain.of(w, sizes, sizes.bonds(most));
      double bound = 0;
      for (double dropped : chain.dropped()) {
        bound += dropped;
      }
      double error = distance(w, product(chain, sizes));
      assertThat(error).isLessThanOrEqualTo(bound * (1 + 1e-5) + 1e-9 * energy(w));
      if (most > 1) {
        assertThat(error).isLessThanOrEqualTo(last + 1e-9 * energy(w));
      }
      last = error;
    }
  }

  @Test
  void shapesAreSplitAsEvenlyAsTheyCanBe() {
    assertThat(Cores.even(576, 1536, 3)).isEqualTo(new Cores(List.of(8, 8, 9), List.of(12, 8, 16)));
    assertThat(Cores.even(64, 1024, 3).out()).containsExactly(4, 4, 4);
    assertThat(Cores.even(64, 1024, 2).in()).containsExactly(32, 32);
    assertThat(Cores.even(7, 12, 2).out().stream().reduce(1, (a, b) -> a * b)).isEqualTo(7);
  }

  private static Matrix kronecker(Matrix a, Matrix b) {
    var result = Matrix.zeros(a.rows() * b.rows(), a.columns() * b.columns());
    for (int i = 0; i < result.rows(); i++) {
      for (int j = 0; j < result.columns(); j++) {
        result.set(i, j, a.at(i / b.rows(), j / b.columns()) * b.at(i % b.rows(), j % b.columns()));
      }
    }
    return result;
  }

  @Test
  void aKroneckerProductIsFoundAgain() {
    var one = kronecker(gaussian(4, 6, 6), gaussian(8, 5, 7));
    var settings = Map.of("metric", "plain", "rows", 4, "columns", 6);
    // 24 + 40 numbers of 960.
    var found = solve(one, LayerStatistics.NONE, 0.93, "kronecker", settings);
    assertThat(distance(one, found.decode())).isLessThan(1e-9 * energy(one));
    var two = one.copy();
    var other = kronecker(gaussian(4, 6, 8), gaussian(8, 5, 9));
    for (int i = 0; i < two.values().length; i++) {
      two.values()[i] += other.values()[i];
    }
    var both = solve(two, LayerStatistics.NONE, 0.86, "kronecker", settings);
    assertThat(distance(two, both.decode())).isLessThan(1e-9 * energy(two));
    var shorter = solve(two, LayerStatistics.NONE, 0.93, "kronecker", settings);
    assertThat(distance(two, shorter.decode())).isGreaterThan(1e-2 * energy(two));
  }

  /** Inputs of very different sizes, those of a block hanging together. */
  private static LayerStatistics statistics(int n, int block) {
    var random = new Random(10);
    var x = gaussian(n, 200, 11);
    for (int from = 0; from < n; from += block) {
      Gemm.add(
          new View(x.values(), from * 200, 200, 1, block, 200),
          View.of(gaussian(block, 2, 12 + from)),
          View.of(gaussian(2, 200, 50 + from)));
    }
    for (int j = 0; j < n; j++) {
      float size = (float) Math.exp(2 * random.nextGaussian());
      for (int t = 0; t < 200; t++) {
        x.values()[j * 200 + t] *= size;
      }
    }
    var h = Matrix.zeros(n, n);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    return LayerStatistics.of(200, h);
  }

  @ParameterizedTest
  @ValueSource(strings = {"monarch", "mpo", "kronecker"})
  void whatWeighsInputsLosesLessOfTheOutputs(String method) {
    var w = gaussian(48, 64, 13);
    var known = statistics(64, 16);
    var h = known.gram().orElseThrow();
    double plain = OutputError.relative(w, solve(w, known, 0.3, method, PLAIN), h);
    double diagonal = OutputError.relative(w, solve(w, known, 0.3, method, Map.of()), h);
    assertThat(diagonal).isLessThan(0.7 * plain);
    if (method.equals("monarch")) {
      var blocks = solve(w, known, 0.3, method, Map.of("metric", "blocks"));
      assertThat(OutputError.relative(w, blocks, h)).isLessThan(diagonal);
    } else {
      assertThatThrownBy(() -> solve(w, known, 0.3, method, Map.of("metric", "blocks")))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("plain or diagonal");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"monarch", "mpo", "kronecker"})
  void levelsKeepTheirShareAndTellTheirBytes(String method) {
    levels(Factorizations.named(method));
  }

  private static <C extends SolverConfig> void levels(FactorizationMethod<C> method) {
    var w = gaussian(48, 64, 14);
    var known = statistics(64, 16);
    var half = Factors.plain(DType.F16);
    var configs = new ArrayList<C>();
    for (double removed : new double[] {0.2, 0.5}) {
      configs.add(method.config(new Removal(removed), half, Map.of()));
    }
    var together = method.solve(new Layer("layer", w), known, configs);
    for (int i = 0; i < configs.size(); i++) {
      var config = configs.get(i);
      var alone = method.solve(new Layer("layer", w), known, List.of(config)).getFirst();
      var weight = (Product) together.get(i).weight();
      assertThat(weight.decode().values()).isEqualTo(alone.weight().decode().values());
      assertThat(alone.fallbacks()).isEmpty();
      long stored = 0;
      long grids = 0;
      for (var factor : weight.factors()) {
        stored += ((Dense) ((ModeMatrix) factor).blocks()).tensor().data().byteSize();
        grids += 8;
      }
      assertThat(method.encoding(config, 48, 64).bytes(48, 64)).isEqualTo(stored + grids);
      double left = (i == 0 ? 0.8 : 0.5) * 48 * 64;
      assertThat(stored / 2.0).isLessThanOrEqualTo(left).isGreaterThan(0.6 * left);
    }
    var unknown = method.solve(new Layer("layer", w), LayerStatistics.NONE, configs).getFirst();
    assertThat(unknown.fallbacks()).singleElement().asString().contains("plain metric");
    assertThat(unknown.weight().encoding()).isEqualTo(method.encoding(configs.getFirst(), 48, 64));
  }

  @Test
  void mistakesAreToldInALine() {
    var monarch = new Monarch();
    var config = monarch.config(new Removal(0.2), EXACT, Map.of("blocks", 5));
    assertThat(monarch.refusal(48, 64, config))
        .hasValueSatisfying(why -> assertThat(why).isEqualTo("5 blocks do not divide 48 x 64"));
    assertThat(monarch.refusal(10, 10, config)).isPresent();
    var mpo = new Mpo();
    assertThat(mpo.refusal(7, 7, mpo.config(new Removal(0.2), EXACT, Map.of()))).isPresent();
    assertThatThrownBy(() -> mpo.config(new Removal(0.2), EXACT, Map.of("cores", 5)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("2 to 4 cores");
    var kronecker = new Kronecker();
    var uneven = kronecker.config(new Removal(0.2), EXACT, Map.of("rows", 5));
    assertThat(kronecker.refusal(48, 64, uneven)).isPresent();
  }
}
