package ai.lathe.compress.factorization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.format.compressed.CompressedTensors;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Blocks and cores in codes. */
class ModeSweepTest {

  private static final int SEEDS = 3;
  private static final Map<String, ?> PLAIN = Map.of("metric", "plain");

  /** Inputs that hang together. */
  private static LayerStatistics statistics(int n, long seed) {
    var x = gaussian(n, 8 * n, seed);
    Gemm.add(View.of(x), View.of(gaussian(n, 6, seed + 1)), View.of(gaussian(6, 8 * n, seed + 2)));
    var h = Matrix.zeros(n, n);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    // So many tokens that they are trusted.
    return LayerStatistics.of(1L << 40, h);
  }

  private static Factors codes(int bits, int group) {
    var scheme = new IntegerScheme(bits, group, true, Activations.NONE);
    return new Factors(DType.F16, Optional.of(scheme));
  }

  private static Solution solve(
      String method, Matrix w, LayerStatistics known, double removed, Factors factors) {
    return solve(Factorizations.named(method), w, known, removed, factors, Map.of());
  }

  private static <C extends SolverConfig> Solution solve(
      FactorizationMethod<C> method,
      Matrix w,
      LayerStatistics known,
      double removed,
      Factors factors,
      Map<String, ?> settings) {
    var config = method.config(new Removal(removed), factors, settings);
    assertThat(method.refusal(w.rows(), w.columns(), config)).isEmpty();
    var solution = method.solve(new Layer("layer", w), known, List.of(config)).getFirst();
    assertThat(solution.weight().encoding())
        .isEqualTo(method.encoding(config, w.rows(), w.columns()));
    return solution;
  }

  /** The same blocks as numbers, each row rounded by itself. */
  private static Product nearest(Product codes, Product numbers) {
    var factors = new ArrayList<LinearWeight>();
    for (int i = 0; i < codes.factors().size(); i++) {
      var exact = (ModeMatrix) numbers.factors().get(i);
      var grid = ((ModeMatrix) codes.factors().get(i)).blocks();
      factors.add(
          grid instanceof GroupQuantized coded
              ? new ModeMatrix(
                  Rtn.round(
                      exact.blocks().decode(),
                      new IntegerGrid(coded.scheme(), ScaleSearch.MSE, DType.F16)),
                  exact.ofOuter(),
                  exact.ofInner(),
                  exact.outer(),
                  exact.inner())
              : exact);
    }
    return new Product(factors);
  }

  @ParameterizedTest
  @CsvSource({
    "monarch, 64, 96, 4",
    "monarch, 96, 64, 8",
    "mpo, 64, 96, 4",
    "mpo, 96, 64, 3",
    "kronecker, 64, 96, 4",
    "kronecker, 96, 64, 8"
  })
  void roundingByTheMetricOfEachFactorCostsLessThanRoundingToNearest(
      String method, int out, int in, int bits) {
    for (int seed = 0; seed < SEEDS; seed++) {
      var known = statistics(in, seed + 10);
      var h = known.gram().orElseThrow();
      var numbers = Factors.plain(DType.F32);
      // A weight that has this form, so that all that is lost is lost by rounding.
      var w = solve(method, gaussian(out, in, seed), known, 0.3, numbers).weight().decode();
      var exact = (Product) solve(method, w, known, 0.3, numbers).weight();
      assertThat(OutputError.relative(w, exact, h)).isLessThan(1e-6);
      // No groups, so that ranks are those of numbers.
      var swept = (Product) solve(method, w, known, 0.3, codes(bits, 0)).weight();
      double error = OutputError.relative(w, swept, h);
      double nearest = OutputError.relative(w, nearest(swept, exact), h);
      assertThat(error).isLessThan(0.7 * nearest);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"monarch", "mpo", "kronecker"})
  void bytesAreThoseOfTheFileAndGroupsDivideTheRows(String method) {
    var w = gaussian(96, 128, 1);
    var known = statistics(128, 2);
    for (var factors : List.of(codes(8, 0), codes(4, 32))) {
      var solution = solve(method, w, known, 0.4, factors);
      assertThat(solution.fallbacks()).isEmpty();
      var encoding = (Encoding.Product) solution.weight().encoding();
      var tensors = CompressedTensors.codec(encoding).encode("m", solution.weight()).entrySet();
      long stored = 0;
      for (var tensor : tensors) {
        // Sizes of the codes' matrix, which no encoding counts.
        stored += tensor.getKey().endsWith("shape") ? 0 : tensor.getValue().data().byteSize();
      }
      assertThat(encoding.bytes(96, 128)).isEqualTo(stored);
      long numbers = Parameters.of(encoding, 96, 128);
      assertThat(numbers).isLessThanOrEqualTo((long) (0.6 * 96 * 128)).isGreaterThan(5000);
      assertThat(stored).isLessThan(numbers * (factors.scheme().orElseThrow().bits() + 5) / 8);
      for (var factor : ((Product) solution.weight()).factors()) {
        var modes = (ModeMatrix) factor;
        assertThat(modes.blocks())
            .isInstanceOf(modes.wide() == 1 ? Dense.class : GroupQuantized.class);
      }
      if (factors.scheme().orElseThrow().groupSize() == 32) {
        var first = ((ModeMatrix) ((Product) solution.weight()).factors().getFirst()).blocks();
        assertThat(((GroupQuantized) first).scheme().groupSize()).isIn(16, 32);
      }
    }
  }

  /** Rows of two columns would take as many bytes in codes as in half precision, or more. */
  @Test
  void rowsThatCodesDoNotMakeShorterStayNumbers() {
    assertThat(codes(4, 32).ofBlocks(2)).isEqualTo(new Encoding.Plain(DType.F16));
    assertThat(codes(4, 32).ofBlocks(3)).isEqualTo(new Encoding.Plain(DType.F16));
    assertThat(codes(4, 32).ofBlocks(4)).isInstanceOf(Encoding.Grouped.class);
    assertThat(codes(4, 32).ofBlocks(1)).isEqualTo(new Encoding.Plain(DType.F16));
  }

  /** Codes of 8 bits hold what they are given; without a metric no statistics are asked for. */
  @ParameterizedTest
  @ValueSource(strings = {"monarch", "mpo", "kronecker"})
  void eightBitsLoseLittleInThePlainMetricToo(String name) {
    plain(Factorizations.named(name));
  }

  private static <C extends SolverConfig> void plain(FactorizationMethod<C> method) {
    var w = gaussian(48, 64, 3);
    var config = method.config(new Removal(0.3), codes(8, 0), PLAIN);
    assertThat(method.requires(config)).isEmpty();
    assertThat(method.requires(method.config(new Removal(0.3), codes(8, 0), Map.of())))
        .containsExactly(Statistic.GRAM);
    var known = LayerStatistics.NONE;
    var numbers = solve(method, w, known, 0.3, Factors.plain(DType.F32), PLAIN).weight();
    var coded = solve(method, w, known, 0.3, codes(8, 0), PLAIN);
    assertThat(coded.fallbacks()).isEmpty();
    var identity = LayerStatistics.identity(64).gram().orElseThrow();
    assertThat(OutputError.relative(w, coded.weight(), identity))
        .isCloseTo(OutputError.relative(w, numbers, identity), within(0.005));
    var unknown = solve(method, w, known, 0.3, codes(8, 0), Map.of());
    assertThat(unknown.fallbacks()).singleElement().asString().contains("plain metric");
    var norms = new float[64];
    Arrays.fill(norms, 2);
    var sizes = new LayerStatistics(100, Optional.empty(), Optional.of(norms));
    assertThat(solve(method, w, sizes, 0.3, codes(8, 0), Map.of()).fallbacks())
        .singleElement()
        .asString()
        .contains("as if they were independent");
  }

  /** Numbers may be fitted too: the output's factor is then the best for the others. */
  @ParameterizedTest
  @ValueSource(strings = {"monarch", "mpo", "kronecker"})
  void numbersThatAreFittedLoseLessOfTheOutputs(String name) {
    fitted(Factorizations.named(name));
  }

  private static <C extends SolverConfig> void fitted(FactorizationMethod<C> method) {
    var w = gaussian(48, 64, 6);
    var known = statistics(64, 7);
    var h = known.gram().orElseThrow();
    var numbers = Factors.plain(DType.F32);
    var fit = Map.<String, Object>of();
    assertThat(method.requires(method.config(new Removal(0.3), numbers, fit)))
        .containsExactly(Statistic.GRAM);
    var before = solve(method, w, known, 0.3, numbers, Map.of("fit", false)).weight();
    var after = solve(method, w, known, 0.3, numbers, fit).weight();
    assertThat(after.encoding()).isEqualTo(before.encoding());
    double least = OutputError.relative(w, after, h);
    assertThat(least).isLessThan(0.9 * OutputError.relative(w, before, h));
    // No other first factor is better: a little of any makes it worse.
    var factors = new ArrayList<>(((Product) after).factors());
    var first = (ModeMatrix) factors.getFirst();
    for (int seed = 0; seed < 5; seed++) {
      var moved = first.blocks().decode();
      var noise = gaussian(moved.rows(), moved.columns(), seed);
      for (int i = 0; i < moved.values().length; i++) {
        moved.values()[i] += 0.01f * noise.values()[i];
      }
      var blocks = Dense.of(moved);
      factors.set(
          0,
          new ModeMatrix(blocks, first.ofOuter(), first.ofInner(), first.outer(), first.inner()));
      assertThat(OutputError.relative(w, new Product(factors), h)).isGreaterThan(least);
    }
  }

  /** Of the two factors the output's contracts too much, the other one little. */
  @Test
  void aMetricThatWouldTakeTooLongIsNamed() {
    var w = gaussian(512, 512, 8);
    var cores = new Kronecker();
    var solution = solve(cores, w, LayerStatistics.NONE, 0.2, codes(8, 0), PLAIN);
    assertThat(solution.fallbacks())
        .singleElement()
        .asString()
        .startsWith("the metric of blocks of 16 x ")
        .endsWith(" would take too long: not fitted, rounded to nearest");
  }

  /** Slices, and inputs, that are zero. */
  @ParameterizedTest
  @ValueSource(strings = {"monarch", "mpo", "kronecker"})
  void whatIsZeroIsNoObstacle(String method) {
    var w = gaussian(48, 64, 4);
    var h = statistics(64, 5).gram().orElseThrow().copy();
    for (int i = 0; i < w.values().length; i++) {
      w.values()[i] = i % 64 / 16 == 1 ? 0 : w.values()[i];
    }
    for (int j = 0; j < 64; j++) {
      h.set(7, j, 0);
      h.set(j, 7, 0);
    }
    var known = LayerStatistics.of(400, h);
    var numbers = solve(method, w, known, 0.3, Factors.plain(DType.F32)).weight();
    var solution = solve(method, w, known, 0.3, codes(8, 0));
    assertThat(OutputError.relative(w, solution.weight(), h))
        .isLessThan(1.01 * OutputError.relative(w, numbers, h));
    for (float value : solution.weight().decode().values()) {
      assertThat(value).isFinite();
    }
  }
}
