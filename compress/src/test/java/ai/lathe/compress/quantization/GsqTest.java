package ai.lathe.compress.quantization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static ai.lathe.compress.quantization.Problems.grid;
import static ai.lathe.compress.quantization.Problems.layer;
import static ai.lathe.compress.quantization.Problems.statistics;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.Gsq.Config;
import ai.lathe.compress.quantization.Gsq.Objective;
import ai.lathe.compress.quantization.GumbelCodes.Moment;
import ai.lathe.compress.quantization.GumbelCodes.Rates;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.block.BlockTypes;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.View;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GsqTest {

  @ParameterizedTest
  @CsvSource({"2, true", "2, false", "3, true", "4, false"})
  void mostWeightsBeginWithTheirCodeAndHardensToThem(int bits, boolean symmetric) {
    var grid = grid(bits, 32, symmetric, ScaleSearch.SIGNED_MSE);
    var start = rounded(gaussian(16, 64, 1), grid);
    var codes = new GumbelCodes(start, grid, 7);
    var hard = codes.hard();
    int same = 0;
    for (int i = 0; i < start.codes().length; i++) {
      same += hard.codes()[i] == start.codes()[i] ? 1 : 0;
      assertThat((int) hard.codes()[i]).isBetween(grid.scheme().min(), grid.scheme().max());
    }
    assertThat(same).isGreaterThan(start.codes().length * 95 / 100);

    // Without noise, the softmax of a temperature near 0 is an argmax.
    var soft = new float[start.codes().length];
    codes.soft(new Moment(0, 1e-4f, 500, 0), soft);
    assertThat(soft).containsExactly(hard.store(grid).decode().values(), within(1e-5f));
  }

  /** With noise, each candidate is the likeliest as often as its share of the softmax. */
  @Test
  void noiseIsGumbelNoise() {
    var grid = grid(2, 32, true);
    var start = rounded(gaussian(1, 32, 1), grid);
    var codes = new GumbelCodes(start, grid, 7);
    float kappa = 40;
    var expected = new float[32];
    codes.soft(new Moment(0, 1, kappa, 0), expected);
    var mean = new double[32];
    var drawn = new float[32];
    int draws = 20_000;
    for (int step = 0; step < draws; step++) {
      codes.soft(new Moment(step, 1e-4f, kappa, 1), drawn);
      for (int i = 0; i < 32; i++) {
        mean[i] += drawn[i] / draws;
      }
    }
    float step = Math.abs(start.scales()[0]);
    for (int i = 0; i < 32; i++) {
      assertThat(mean[i]).isCloseTo(expected[i], within(0.04 * step));
    }
  }

  /** With the same noise at each step. */
  @Test
  void aStepGoesDownhill() {
    var grid = grid(3, 16, false, ScaleSearch.MSE);
    var target = gaussian(8, 32, 3);
    var codes = new GumbelCodes(rounded(target, grid), grid, 11);
    var moment = new Moment(5, 1, 100, 1);
    var soft = new float[8 * 32];
    double last = Double.POSITIVE_INFINITY;
    for (int step = 0; step < 50; step++) {
      codes.soft(moment, soft);
      double loss = 0;
      for (int i = 0; i < soft.length; i++) {
        soft[i] -= target.values()[i];
        loss += soft[i] * soft[i];
      }
      assertThat(loss).isLessThan(last);
      last = loss;
      codes.update(moment, new Rates(1e-4f, 1e-5f, 0), soft);
    }
  }

  /**
   * Outputs with the soft weight, noise included, against those with hard codes and stored scales.
   */
  @ParameterizedTest
  @CsvSource({"2, 32, true", "3, 16, false"})
  void softAndHardOutputsMeetAtTheEndOfTraining(int bits, int groupSize, boolean symmetric) {
    var layer = layer(24, 64, 1);
    var statistics = statistics(64, 2);
    var gram = statistics.gram().orElseThrow();
    var config = config(bits, groupSize, symmetric, Map.of());
    var start = Grouped.of((GroupQuantized) Gsq.start(layer, statistics, config).weight());
    var codes = new GumbelCodes(start, config.grid(), 5);
    int steps = config.layerSteps();
    double first = gap(codes, Gsq.moment(0, steps), config.grid(), gram);
    var soft = Matrix.zeros(24, 64);
    for (int step = 0; step < steps; step++) {
      var moment = Gsq.moment(step, steps);
      codes.soft(moment, soft.values());
      for (int i = 0; i < soft.values().length; i++) {
        soft.values()[i] -= layer.weight().values()[i];
      }
      var gradient = Matrix.zeros(24, 64);
      Gemm.add(View.of(gradient), View.of(soft), View.of(gram));
      codes.update(moment, Gsq.rates(step, steps, config), gradient.values());
    }
    double last = gap(codes, Gsq.moment(steps - 1, steps), config.grid(), gram);
    var stored = codes.hard().store(config.grid());
    double error = OutputError.relative(layer.weight(), stored, gram);
    assertThat(last).isLessThan(first / 20).isLessThan(0.2 * error);
  }

  /** As a share of the size of the hard outputs. */
  private static double gap(GumbelCodes codes, Moment moment, IntegerGrid grid, Matrix gram) {
    var hard = codes.hard().store(grid).decode();
    var difference = Matrix.zeros(hard.rows(), hard.columns());
    codes.soft(moment, difference.values());
    for (int i = 0; i < hard.values().length; i++) {
      difference.values()[i] -= hard.values()[i];
    }
    return Arrays.stream(OutputError.energies(difference, gram)).sum()
        / Arrays.stream(OutputError.energies(hard, gram)).sum();
  }

  @Test
  void theExponentialIsExactEnoughForProbabilities() {
    for (float x = -20; x <= 0; x += 0.0137f) {
      float exact = (float) Math.exp(x);
      assertThat(GumbelKernel.exp(x)).isCloseTo(exact, within(2e-6f * exact));
    }
    assertThat(GumbelKernel.exp(0)).isOne();
    assertThat(GumbelKernel.exp(Float.NEGATIVE_INFINITY)).isZero();
  }

  @ParameterizedTest
  @CsvSource({"2, 32, true", "2, 16, false", "3, 0, true"})
  void losesLessThanItsStartInEveryRow(int bits, int groupSize, boolean symmetric) {
    var layer = layer(24, 64, 1);
    var statistics = statistics(64, 2);
    var config =
        config(bits, groupSize, symmetric, Map.of("layer_steps", 150, "dampening_frac", 0));
    var start = (GroupQuantized) Gsq.start(layer, statistics, config).weight();
    var result = solve(layer, statistics, config);
    var before = energies(layer, statistics, start);
    var after = energies(layer, statistics, result);
    double sumBefore = 0;
    double sumAfter = 0;
    for (int row = 0; row < 24; row++) {
      assertThat(after[row]).isLessThanOrEqualTo(before[row] * (1 + 1e-5));
      sumBefore += before[row];
      sumAfter += after[row];
    }
    assertThat(sumAfter).isLessThan(0.97 * sumBefore);
    for (byte code : result.codes()) {
      assertThat((int) code).isBetween(config.grid().scheme().min(), config.grid().scheme().max());
    }
    var again = solve(layer, statistics, config);
    assertThat(again.codes()).isEqualTo(result.codes());
    assertThat(again.scales().toFloats()).isEqualTo(result.scales().toFloats());
  }

  @Test
  void theStartIsKeptWhereTrainingDoesHarm() {
    var layer = layer(8, 32, 3);
    var statistics = statistics(32, 4);
    var config = config(2, 32, true, Map.of("layer_steps", 2, "learning_rate", 50));
    var solution = new Gsq().solve(layer, statistics, List.of(config)).getFirst();
    assertThat(((GroupQuantized) solution.weight()).codes())
        .isEqualTo(((GroupQuantized) Gsq.start(layer, statistics, config).weight()).codes());
    assertThat(solution.fallbacks())
        .containsExactly("GSQ did not improve on GPTQ in any row, whose result is kept");
  }

  @Test
  void temperatureFallsToNearHard() {
    assertThat(Gsq.moment(0, 300)).isEqualTo(new Moment(0, 2, 100, 1));
    assertThat(Gsq.moment(299, 300).tau()).isCloseTo(0.05f, within(1e-6f));
    assertThat(Gsq.moment(299, 300).kappa()).isEqualTo(500);
    var config = config(2, 32, true, Map.of());
    assertThat(Gsq.rates(299, 300, config).logits())
        .isCloseTo(0.1f * Gsq.rates(0, 300, config).logits(), within(1e-9f));
  }

  @Test
  void settingsAreRead() {
    var config = config(2, 32, true, Map.of("objective", "layer", "steps", "7", "seed", 3));
    assertThat(config.objective()).isEqualTo(Objective.LAYER);
    assertThat(config.steps()).isEqualTo(7);
    assertThat(config.seed()).isEqualTo(3);
    assertThat(config.grid().search()).isEqualTo(ScaleSearch.SIGNED_MSE);
    assertThatThrownBy(() -> config(2, 32, true, Map.of("objectiv", "layer")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("did you mean 'objective'?");
    assertThatThrownBy(() -> config(2, 32, true, Map.of("steps", 0)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("at least 1");
    assertThatThrownBy(() -> new Gsq().config(new BlockGrid(BlockTypes.Q4_K), Map.of()))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("Q4_K");
  }

  private static Config config(
      int bits, int groupSize, boolean symmetric, Map<String, ?> settings) {
    return new Gsq().config(grid(bits, groupSize, symmetric, ScaleSearch.MSE), settings);
  }

  private static Grouped rounded(Matrix weight, IntegerGrid grid) {
    return Grouped.of((GroupQuantized) Rtn.round(weight, grid));
  }

  private static GroupQuantized solve(Layer layer, LayerStatistics statistics, Config config) {
    return (GroupQuantized) new Gsq().solve(layer, statistics, List.of(config)).getFirst().weight();
  }

  private static double[] energies(Layer layer, LayerStatistics statistics, GroupQuantized q) {
    var difference = q.decode();
    for (int i = 0; i < difference.values().length; i++) {
      difference.values()[i] -= layer.weight().values()[i];
    }
    return OutputError.energies(difference, statistics.gram().orElseThrow());
  }
}
