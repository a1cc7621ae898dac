package ai.lathe.compress.factorization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import ai.lathe.tensor.linalg.View;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FactorSweepTest {

  private static final int SEEDS = 4;

  /** Of inputs that share a few causes. */
  private static LayerStatistics statistics(int n, long seed) {
    var x = gaussian(n, 8 * n, seed);
    Gemm.add(View.of(x), View.of(gaussian(n, 6, seed + 1)), View.of(gaussian(6, 8 * n, seed + 2)));
    var h = Matrix.zeros(n, n);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    return LayerStatistics.of(8 * n, h);
  }

  private static Factors codes(int bits) {
    return new Factors(DType.F16, Optional.of(new IntegerScheme(bits, 32, true, Activations.NONE)));
  }

  /** Output errors of one layer, relative. */
  private record Errors(double exact, double nearest, double swept) {}

  private static Errors lowRank(int out, int in, int bits, long seed) {
    var layer = new Layer("layer", gaussian(out, in, seed));
    var statistics = statistics(in, seed + 10);
    var h = statistics.gram().orElseThrow();
    var metric = new Metric.Full(h);
    var fit = Spectrum.of(layer.weight(), metric).truncated(codes(bits).rank(32));
    var exact = Factors.plain(DType.F32).store(fit, layer.weight(), Optional.empty());
    var nearest = codes(bits).store(fit, layer.weight(), Optional.empty());
    var inputs = codes(bits).inputs(layer, statistics, metric);
    var swept = codes(bits).store(fit, layer.weight(), inputs);
    assertThat(swept.encoding()).isEqualTo(nearest.encoding());
    return errors(layer.weight(), h, exact, nearest, swept);
  }

  private static Errors dictionary(int out, int in, int bits, long seed) {
    var layer = new Layer("layer", gaussian(out, in, seed));
    var statistics = statistics(in, seed + 10);
    var h = statistics.gram().orElseThrow();
    var metric = new Metric.Full(h);
    var size = new DictionarySize(out, in, 32, out * 14L);
    var c = new RocketBasis(Spectrum.of(layer.weight(), metric)).sparsified(size);
    var exact = Factors.plain(DType.F32).store(c, layer.weight(), Optional.empty());
    var nearest = codes(bits).store(c, layer.weight(), Optional.empty());
    var inputs = codes(bits).inputs(layer, statistics, metric);
    var swept = codes(bits).store(c, layer.weight(), inputs);
    assertThat(swept.encoding()).isEqualTo(nearest.encoding());
    assertThat(((Sparse) swept.factors().getFirst()).mask()).isEqualTo(c.mask());
    return errors(layer.weight(), h, exact, nearest, swept);
  }

  private static Errors errors(Matrix w, Matrix h, Product exact, Product nearest, Product swept) {
    return new Errors(
        OutputError.relative(w, exact, h),
        OutputError.relative(w, nearest, h),
        OutputError.relative(w, swept, h));
  }

  /** What rounding costs, as a share of what rounding to nearest costs. */
  @ParameterizedTest
  @CsvSource({"48, 96, 4", "96, 48, 4", "64, 64, 3", "64, 64, 8"})
  void roundingByTheMetricOfEachFactorCostsLessThanRoundingToNearest(int out, int in, int bits) {
    double nearest = 0;
    double swept = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
      var errors = lowRank(out, in, bits, seed);
      assertThat(errors.swept()).isLessThan(errors.nearest());
      nearest += errors.nearest() - errors.exact();
      swept += errors.swept() - errors.exact();
    }
    assertThat(swept).isLessThan(0.6 * nearest);
  }

  /** Coefficients are fitted to atoms as these are stored, so that even less may be lost. */
  @ParameterizedTest
  @CsvSource({"48, 96, 4", "96, 48, 4", "64, 64, 3", "64, 64, 8"})
  void dictionariesLikewise(int out, int in, int bits) {
    double nearest = 0;
    double swept = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
      var errors = dictionary(out, in, bits, seed);
      assertThat(errors.swept()).isLessThan(errors.nearest());
      nearest += errors.nearest() - errors.exact();
      swept += errors.swept() - errors.exact();
    }
    assertThat(swept).isLessThan(0.5 * nearest);
  }

  /** A dictionary that stands fixed, as one of several layers does. */
  @Test
  void coefficientsFollowTheirDictionaryAsItIsStored() {
    for (int seed = 0; seed < SEEDS; seed++) {
      var layer = new Layer("layer", gaussian(64, 96, seed));
      var statistics = statistics(96, seed + 10);
      var h = statistics.gram().orElseThrow();
      var metric = new Metric.Full(h);
      var w = layer.weight();
      var size = new DictionarySize(64, 96, 32, 64 * 14L);
      var c = new RocketBasis(Spectrum.of(w, metric)).sparsified(size);
      var dictionary = codes(4).store(Doubles.leastSquares(c.values(), w));
      var inputs = codes(4).inputs(layer, statistics, metric);
      var nearest = codes(4).store(c, dictionary, Optional.of("first"), w, Optional.empty());
      var swept = codes(4).store(c, dictionary, Optional.of("first"), w, inputs);
      assertThat(swept.encoding()).isEqualTo(nearest.encoding());
      assertThat(swept.owner()).contains("first");
      assertThat(swept.factors().getLast()).isSameAs(dictionary);
      assertThat(((Sparse) swept.factors().getFirst()).mask()).isEqualTo(c.mask());
      assertThat(OutputError.relative(w, swept, h))
          .isLessThan(0.9 * OutputError.relative(w, nearest, h));
    }
  }

  @Test
  void inputsThatAreZeroAndRanksThatAreNotThereAreNoObstacle() {
    var w = gaussian(40, 32, 1);
    var x = gaussian(32, 12, 2);
    for (int t = 0; t < 12; t++) {
      x.set(5, t, 0);
    }
    var h = Matrix.zeros(32, 32);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    var statistics = LayerStatistics.of(12, h);
    var metric = new Metric.Full(h);
    var layer = new Layer("layer", w);
    // 16 of 12 that count.
    var fit = Spectrum.of(w, metric).truncated(16);
    var swept = codes(8).store(fit, w, codes(8).inputs(layer, statistics, metric));
    assertThat(OutputError.relative(w, swept, h)).isLessThan(1e-3);
    for (float value : swept.decode().values()) {
      assertThat(value).isFinite();
    }
  }
}
