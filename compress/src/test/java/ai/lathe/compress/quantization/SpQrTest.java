package ai.lathe.compress.quantization;

import static ai.lathe.compress.quantization.Problems.grid;
import static ai.lathe.compress.quantization.Problems.layer;
import static ai.lathe.compress.quantization.Problems.statistics;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.RandomLayers;
import ai.lathe.compress.layer.Solution;
import ai.lathe.tensor.BilevelQuantized;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.SparseRows;
import ai.lathe.tensor.Sum;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class SpQrTest {

  private static SpQr.Config config(Grid grid, ColumnOrder order, double share) {
    return new SpQr.Config(new Gptq.Config(grid, order, 128, 0.01), share, OptionalDouble.empty());
  }

  private static SpQr.Config spqr(double share) {
    return config(new BilevelGrid(3, 16, 3, 3, 16), ColumnOrder.GROUP, share);
  }

  private static Solution solve(Layer layer, LayerStatistics statistics, SpQr.Config config) {
    return new SpQr().solve(layer, statistics, List.of(config)).getFirst();
  }

  private static double error(Layer layer, LayerStatistics statistics, LinearWeight weight) {
    return OutputError.relative(layer.weight(), weight, statistics.gram().orElseThrow());
  }

  private static SparseRows outliers(LinearWeight weight) {
    return (SparseRows) ((Sum) weight).parts().getLast();
  }

  /** No outliers and no second level leave GPTQ. */
  @ParameterizedTest
  @EnumSource(ColumnOrder.class)
  void withoutOutliersOnAnIntegerGridItIsGptq(ColumnOrder order) {
    var layer = layer(24, 128, 1);
    var statistics = statistics(128, 2);
    for (int groupSize : new int[] {16, 128}) {
      var grid = grid(3, groupSize, false);
      var gptq = new Gptq.Config(grid, order, 128, 0.01);
      var expected = new Gptq().solve(layer, statistics, List.of(gptq)).getFirst().weight();
      var found = solve(layer, statistics, config(grid, order, 0)).weight();
      assertThat(found.encoding()).isEqualTo(expected.encoding());
      assertThat(found.decode().values()).isEqualTo(expected.decode().values());
      // A share so small that there is room for none is the same by the long way.
      var none = (Sum) solve(layer, statistics, config(grid, order, 1e-9)).weight();
      assertThat(none.parts().getFirst().decode().values()).isEqualTo(expected.decode().values());
    }
  }

  @Test
  void theErrorFallsWithEveryLargerShareOfOutliers() {
    var layer = layer(64, 256, 3);
    var statistics = statistics(256, 4);
    double last = Double.POSITIVE_INFINITY;
    for (double share : new double[] {0, 0.005, 0.01, 0.02, 0.04, 0.08}) {
      double error = error(layer, statistics, solve(layer, statistics, spqr(share)).weight());
      assertThat(error).as("share %s", share).isLessThan(last);
      last = error;
    }
  }

  @ParameterizedTest
  @CsvSource({"300, 128, 0.01", "40, 64, 0.05", "512, 64, 0.02", "1000, 48, 0.02"})
  void outliersFillTheRoomTheyHaveAndNoMore(int rows, int columns, double share) {
    var layer = layer(rows, columns, 5);
    var statistics = statistics(columns, 6);
    var sparse = outliers(solve(layer, statistics, spqr(share)).weight());
    int capacity = (int) (share * rows * columns);
    int used = sparse.rowOffsets()[rows];
    assertThat(sparse.columnIds()).hasSize(capacity);
    assertThat(used).isBetween((int) (0.9 * capacity), capacity);
    assertThat(sparse.values().toFloats()).endsWith(new float[capacity - used]);
  }

  /** A row of hard weights at the end, which the sample of rows does not see. */
  @Test
  void whereTheSampleMisleadsTheRoomIsKept() {
    var weight = RandomLayers.gaussian(2048, 32, 7);
    for (int i = 2000 * 32; i < weight.values().length; i++) {
      weight.values()[i] *= 30;
    }
    var solution = solve(new Layer("l", weight), statistics(32, 8), spqr(0.01));
    var sparse = outliers(solution.weight());
    assertThat(sparse.rowOffsets()[2048]).isLessThanOrEqualTo((int) (0.01 * 2048 * 32));
  }

  @Test
  void plantedOutliersAreFound() {
    var weight = RandomLayers.gaussian(32, 128, 9);
    var random = new Random(10);
    var planted = new boolean[32 * 128];
    for (int row = 0; row < 32; row++) {
      int column = random.nextInt(128);
      planted[row * 128 + column] = true;
      weight.set(row, column, 40);
    }
    var sparse =
        outliers(solve(new Layer("l", weight), statistics(128, 11), spqr(0.0125)).weight());
    int found = 0;
    for (int row = 0; row < 32; row++) {
      for (int i = sparse.rowOffsets()[row]; i < sparse.rowOffsets()[row + 1]; i++) {
        found += planted[row * 128 + sparse.columnIds()[i]] ? 1 : 0;
      }
    }
    assertThat(found).isEqualTo(32);
  }

  /** Bits of a weight by the paper's formula, and what rows and the order add to it. */
  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4})
  void bytesFollowTheFormula(int bits) {
    int rows = 512;
    int columns = 1024;
    double share = 1.0 / 128;
    var grid = grid(bits, 128, true);
    var config = new SpQr().config(grid, Map.of("outlier_share", share));
    double stored = 8.0 * new SpQr().encoding(grid, config).bytes(rows, columns);
    double formula = bits + (3 + 3) / 16.0 + 64.0 / (16 * 16) + 32 * share;
    double extra = 32.0 * (rows + 1) + 16.0 * columns;
    assertThat(stored / rows / columns).isCloseTo(formula + extra / rows / columns, within(1e-12));
  }

  @Test
  void theResultIsOfTheEncodingThatWasPlanned() {
    var layer = layer(40, 64, 12);
    var statistics = statistics(64, 13);
    for (var order : ColumnOrder.values()) {
      for (double share : new double[] {0, 0.02}) {
        var config = config(new BilevelGrid(3, 16, 3, 4, 16), order, share);
        var planned = new SpQr().encoding(grid(3, 128, true), config);
        assertThat(solve(layer, statistics, config).weight().encoding()).isEqualTo(planned);
        var dead = LayerStatistics.of(9, Matrix.zeros(64, 64));
        var rounded = solve(layer, dead, config);
        assertThat(rounded.weight().encoding()).isEqualTo(planned);
        assertThat(rounded.fallbacks()).anyMatch(note -> note.contains("rounded to nearest"));
        assertThat(error(layer, statistics, rounded.weight())).isLessThan(0.2);
      }
    }
  }

  /** What the solver took a weight to become is what a reader decodes. */
  @Test
  void whatIsRoundedToIsWhatIsDecoded() {
    int rows = 37;
    int columns = 48;
    var weight = RandomLayers.gaussian(rows, columns, 14);
    Arrays.fill(weight.values(), 0, 16, 0.25f);
    var grid = new BilevelGrid(3, 16, 3, 3, 16);
    var index = IntStream.range(0, columns).map(j -> j * 7 % columns / 16).toArray();
    var quantizer = grid.quantizer(rows, columns, index, null);
    Rtn.fit(weight, 0, rows, 16, quantizer);
    var rounded = Matrix.zeros(rows, columns);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        rounded.set(i, j, quantizer.round(i, j, weight.at(i, j)));
      }
    }
    var stored = (BilevelQuantized) quantizer.finish();
    assertThat(stored.decode().values()).isEqualTo(rounded.values());
    var some = new float[columns * 5];
    stored.decodeRows(30, 35, some, 0);
    assertThat(some).isEqualTo(Arrays.copyOfRange(rounded.values(), 30 * columns, 35 * columns));
  }

  /** The likely outliers of a group, by leaving out each of its weights in turn. */
  @Test
  void likelyOutliersAreThoseWhoseLeavingOutHelps() {
    var random = new Random(15);
    int n = 16;
    var statistics = statistics(n, 16);
    var factor = InverseFactor.of(statistics.gram().orElseThrow(), true, 0.01);
    var grid = new BilevelGrid(3, n, 3, 3, 16);
    for (int trial = 0; trial < 200; trial++) {
      var group = new float[n];
      for (int i = 0; i < n; i++) {
        group[i] = (float) (random.nextGaussian() * Math.exp(random.nextGaussian()));
      }
      group[3] = trial % 2 == 0 ? group[7] : group[3];
      var sweep =
          new ColumnSweep(
              new Matrix(1, n, group), factor, new Gptq.Config(grid, ColumnOrder.GROUP, 128, 0.01));
      var pivots = sweep.pivotsByGroup();
      double all = error(group, pivots, -1);
      var gains = new double[n];
      for (int i = 0; i < n; i++) {
        gains[i] = all - error(group, pivots, i);
      }
      double tau = (0.2 + random.nextDouble()) * Arrays.stream(gains).max().orElseThrow();
      if (Arrays.stream(gains).anyMatch(gain -> Math.abs(gain - tau) < 1e-4 * all)) {
        continue;
      }
      double mean =
          IntStream.range(0, n)
              .filter(i -> gains[i] <= tau)
              .mapToDouble(i -> group[i])
              .average()
              .orElseThrow();
      var seen = new float[n];
      var base = new OutlierQuantizer(new Recorder(seen), 1, 3, n, sweep);
      base.threshold((float) tau);
      base.fit(0, 0, group, 0);
      for (int i = 0; i < n; i++) {
        assertThat((double) seen[i]).isCloseTo(gains[i] > tau ? mean : group[i], within(1e-5));
      }
    }
  }

  private record Recorder(float[] seen) implements Quantizer {
    @Override
    public void fit(int row, int group, float[] values, int at) {
      System.arraycopy(values, at, seen, 0, seen.length);
    }

    @Override
    public float round(int row, int column, float weight) {
      throw new AssertionError();
    }

    @Override
    public LinearWeight finish() {
      throw new AssertionError();
    }
  }

  /** Squared error of a group on the min-max grid of 3 bits of all members but one. */
  private static double error(float[] group, float[] pivots, int without) {
    double min = Double.POSITIVE_INFINITY;
    double max = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < group.length; i++) {
      if (i != without) {
        min = Math.min(min, group[i]);
        max = Math.max(max, group[i]);
      }
    }
    double sum = 0;
    for (int i = 0; i < group.length; i++) {
      double scale = (max - min) / 7;
      double error = (group[i] - min - scale * Math.rint((group[i] - min) / scale)) / pivots[i];
      sum += i == without ? 0 : error * error;
    }
    return sum;
  }

  @Test
  void thePapersThresholdDecidesWhileThereIsRoom() {
    var layer = layer(64, 128, 17);
    var statistics = statistics(128, 18);
    int last = 0;
    for (double threshold : new double[] {1e6, 0.2, 0.05}) {
      var gptq = spqr(0).gptq();
      var config = new SpQr.Config(gptq, 0.3, OptionalDouble.of(threshold));
      var solution = solve(layer, statistics, config);
      int used = outliers(solution.weight()).rowOffsets()[64];
      assertThat(used).as("threshold %s", threshold).isGreaterThanOrEqualTo(last);
      assertThat(solution.fallbacks()).isEmpty();
      last = used;
    }
    assertThat(last).isPositive();
    var full = new SpQr.Config(spqr(0).gptq(), 0.001, OptionalDouble.of(0.001));
    assertThat(solve(layer, statistics, full).fallbacks())
        .anyMatch(note -> note.contains("it was raised"));
  }

  @Test
  void settingsAreRead() {
    var spqr = new SpQr();
    var config =
        spqr.config(
            grid(4, 128, true),
            Map.of("group_size", "32", "outlier_share", "0.02", "actorder", "none"));
    assertThat(config.gptq().grid()).isEqualTo(new BilevelGrid(4, 32, 3, 3, 16));
    assertThat(config.gptq().order()).isEqualTo(ColumnOrder.NONE);
    assertThat(config.share()).isEqualTo(0.02);
    assertThat(spqr.encoding(grid(4, 128, true), config))
        .isEqualTo(
            new Encoding.Sum(
                List.of(new Encoding.Bilevel(4, 32, 3, 3, 16, false), config.outliers())));
    assertThatThrownBy(() -> spqr.config(grid(4, 128, true), Map.of("outlier_shar", 1)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("outlier_share");
    assertThatThrownBy(() -> spqr.config(grid(4, 128, true), Map.of("outlier_share", 0.9)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("from 0 to 0.5");
    assertThat(spqr.refusal(16, 100, spqr.config(grid(4, 128, true), Map.of())))
        .hasValueSatisfying(why -> assertThat(why).contains("groups of 16"));
  }
}
