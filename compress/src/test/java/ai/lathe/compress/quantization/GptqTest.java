package ai.lathe.compress.quantization;

import static ai.lathe.compress.quantization.Problems.gram;
import static ai.lathe.compress.quantization.Problems.grid;
import static ai.lathe.compress.quantization.Problems.layer;
import static ai.lathe.compress.quantization.Problems.statistics;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class GptqTest {

  private static final double DAMPENING = 0.01;

  /** {@code W - Q = E U} and {@code tr((W - Q) H (W - Q)^T) = sum of E^2}, with the damped H. */
  @ParameterizedTest
  @CsvSource({"5, 40, 8", "16, 256, 128", "3, 300, 64"})
  void errorsTimesFactorIsTheChangeOfTheWeight(int rows, int columns, int blockSize) {
    var weight = layer(rows, columns, 1).weight();
    var gram = gram(columns, 2 * columns, 2);
    var factor = InverseFactor.of(gram, false, DAMPENING);
    var u = factor.upper().orElseThrow();
    var quantizer = fitted(grid(4, IntegerScheme.CHANNEL, true), weight);
    var e = weight.copy();
    Gptq.sweep(e, u, factor.order(), quantizer, blockSize, 0);
    var q = quantizer.finish().decode();

    double damping = 0;
    for (int j = 0; j < columns; j++) {
      damping += DAMPENING * gram.at(j, j) / columns;
    }
    double trace = 0;
    double squares = 0;
    for (int i = 0; i < rows; i++) {
      var d = new double[columns];
      for (int j = 0; j < columns; j++) {
        d[j] = (double) weight.at(i, j) - q.at(i, j);
        squares += (double) e.at(i, j) * e.at(i, j);
        double eu = 0;
        for (int k = 0; k <= j; k++) {
          eu += (double) e.at(i, k) * u.at(k, j);
        }
        assertThat(d[j]).isCloseTo(eu, within(1e-5));
      }
      for (int j = 0; j < columns; j++) {
        for (int k = 0; k < columns; k++) {
          trace += d[j] * (gram.at(j, k) + (j == k ? damping : 0)) * d[k];
        }
      }
    }
    assertThat(trace).isCloseTo(squares, within(1e-4 * squares));
  }

  /**
   * Optimal brain quantization, forced to go from left to right: each weight's row and column are
   * eliminated from the explicit inverse, in float64.
   */
  @ParameterizedTest
  @CsvSource({"1", "2", "3", "4", "5"})
  void equalsOptimalBrainQuantizationFromLeftToRight(long seed) {
    int rows = 4;
    int n = 8;
    var layer = layer(rows, n, seed);
    var gram = gram(n, 20, seed);
    var grid = grid(3, IntegerScheme.CHANNEL, false);
    var inverse = dampedInverse(gram);
    var quantizer = fitted(grid, layer.weight());
    var w = new double[rows][n];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < n; j++) {
        w[i][j] = layer.weight().at(i, j);
      }
    }
    for (int j = 0; j < n; j++) {
      for (int i = 0; i < rows; i++) {
        double error = (w[i][j] - quantizer.round(i, j, (float) w[i][j])) / inverse[j][j];
        for (int k = j; k < n; k++) {
          w[i][k] -= error * inverse[j][k];
        }
      }
      eliminate(inverse, j);
    }
    var solution = solve(layer, LayerStatistics.of(20, gram), config(grid, ColumnOrder.NONE, 128));
    assertThat(codes(solution)).isEqualTo(((GroupQuantized) quantizer.finish()).codes());
  }

  @ParameterizedTest
  @CsvSource({"NONE", "STATIC", "GROUP"})
  void theBlockSizeDoesNotChangeTheResult(ColumnOrder order) {
    var layer = layer(8, 192, 3);
    var statistics = statistics(192, 4);
    var expected = codes(solve(layer, statistics, config(grid(4, 32, true), order, 192)));
    for (int blockSize : new int[] {1, 3, 8, 128}) {
      var codes = codes(solve(layer, statistics, config(grid(4, 32, true), order, blockSize)));
      int different = 0;
      for (int i = 0; i < codes.length; i++) {
        different += codes[i] == expected[i] ? 0 : 1;
      }
      // Sums in another order differ in the last bit, and a weight halfway between two codes may
      // tip, and those after it in its row follow.
      assertThat(different).as("block size %d", blockSize).isLessThan(codes.length / 100);
    }
  }

  static Stream<Arguments> schemes() {
    return Stream.of(2, 3, 4, 5, 6, 7, 8)
        .flatMap(
            bits ->
                Stream.of(32, 128, IntegerScheme.CHANNEL)
                    .flatMap(
                        size ->
                            Stream.of(true, false)
                                .map(symmetric -> Arguments.of(bits, size, symmetric))));
  }

  @ParameterizedTest
  @MethodSource("schemes")
  void losesLessThanRoundingToNearestOnTheSameGrid(int bits, int groupSize, boolean symmetric) {
    var layer = layer(24, 256, 5);
    var statistics = statistics(256, 6);
    for (var search : ScaleSearch.values()) {
      var grid = grid(bits, groupSize, symmetric, search);
      double rtn =
          error(
              layer,
              statistics,
              new Rtn().solve(layer, statistics, List.of(new Rtn.Config(grid))).getFirst());
      for (var order : ColumnOrder.values()) {
        var solution = solve(layer, statistics, config(grid, order, 128));
        assertThat(error(layer, statistics, solution))
            .as("%s %s", order, search)
            .isLessThan(0.7 * rtn);
        assertThat(solution.fallbacks()).isEmpty();
        for (byte code : codes(solution)) {
          assertThat(code).isBetween((byte) grid.scheme().min(), (byte) grid.scheme().max());
        }
      }
    }
  }

  /** Static order on W and H is no order at all on both, permuted beforehand. */
  @Test
  void staticOrderIsThePlainSweepOfThePermutedLayer() {
    int n = 96;
    var layer = layer(6, n, 7);
    var gram = gram(n, 300, 8);
    var order = descending(gram);
    var grid = grid(4, IntegerScheme.CHANNEL, true);
    var actual = solve(layer, LayerStatistics.of(300, gram), config(grid, ColumnOrder.STATIC, 128));
    var permuted =
        solve(
            permuted(layer, order),
            LayerStatistics.of(300, permuted(gram, order)),
            config(grid, ColumnOrder.NONE, 128));
    assertThat(actual.weight().decode().permuteColumns(order).values())
        .isEqualTo(permuted.weight().decode().values());
  }

  @Test
  void groupOrderFormsItsGroupsInThePermutedLayer() {
    int n = 96;
    var layer = layer(6, n, 7);
    var gram = gram(n, 300, 8);
    var order = descending(gram);
    var grid = grid(4, 32, false);
    var actual = solve(layer, LayerStatistics.of(300, gram), config(grid, ColumnOrder.GROUP, 128));
    var permuted =
        solve(
            permuted(layer, order),
            LayerStatistics.of(300, permuted(gram, order)),
            config(grid, ColumnOrder.NONE, 128));
    assertThat(actual.weight().decode().permuteColumns(order).values())
        .isEqualTo(permuted.weight().decode().values());
    var index = ((GroupQuantized) actual.weight()).groupIndex();
    for (int position = 0; position < n; position++) {
      assertThat(index[order[position]]).isEqualTo(position / 32);
    }
  }

  @Test
  void allLevelsInOneCallAreTheLevelsOneByOne() {
    var layer = layer(8, 128, 9);
    var statistics = statistics(128, 10);
    var levels =
        List.of(
            config(grid(4, 32, true), ColumnOrder.STATIC, 128),
            config(grid(3, 64, false), ColumnOrder.NONE, 64),
            config(grid(2, 32, false), ColumnOrder.GROUP, 128),
            new Gptq.Config(grid(8, 0, true), ColumnOrder.STATIC, 128, 0.1));
    var together = new Gptq().solve(layer, statistics, levels);
    for (int i = 0; i < levels.size(); i++) {
      assertThat(together.get(i).weight().decode().values())
          .isEqualTo(solve(layer, statistics, levels.get(i)).weight().decode().values());
    }
  }

  @Test
  void neitherTheWeightNorTheGramMatrixIsChanged() {
    var layer = layer(8, 128, 9);
    var statistics = statistics(128, 10);
    var weight = layer.weight().copy();
    var gram = statistics.gram().orElseThrow().copy();
    solve(layer, statistics, config(grid(4, 32, true), ColumnOrder.NONE, 128));
    assertThat(layer.weight().values()).isEqualTo(weight.values());
    assertThat(statistics.gram().orElseThrow().values()).isEqualTo(gram.values());
  }

  @Test
  void deadInputsGetWeightZeroAndAreReported() {
    int n = 64;
    var layer = layer(5, n, 11);
    var gram = gram(n, 200, 12);
    for (int dead : new int[] {0, 17, 63}) {
      for (int j = 0; j < n; j++) {
        gram.set(dead, j, 0);
        gram.set(j, dead, 0);
      }
    }
    for (var order : ColumnOrder.values()) {
      var solution =
          solve(layer, LayerStatistics.of(200, gram), config(grid(4, 32, false), order, 16));
      var q = solution.weight().decode();
      for (int i = 0; i < 5; i++) {
        assertThat(q.at(i, 0)).isZero();
        assertThat(q.at(i, 17)).isZero();
        assertThat(q.at(i, 63)).isZero();
      }
      assertThat(solution.fallbacks())
          .singleElement()
          .asString()
          .isEqualTo(
              "3 of 64 inputs were zero on all calibration tokens; their weights are set to 0");
    }
  }

  @Test
  void withoutAnyInputItRoundsToNearest() {
    var layer = layer(4, 32, 1);
    var solution =
        solve(
            layer,
            LayerStatistics.of(10, Matrix.zeros(32, 32)),
            config(grid(4, 32, true), ColumnOrder.STATIC, 128));
    assertThat(solution.weight().decode().values())
        .isEqualTo(Rtn.round(layer.weight(), grid(4, 32, true)).decode().values());
    assertThat(solution.fallbacks())
        .containsExactly(
            "every input was zero on all calibration tokens", "rounded to nearest instead of GPTQ");
  }

  /** {@code [[1, c], [c, 1]]} has the eigenvalue 1 - c; c = 1.05 takes dampening above 0.05. */
  @Test
  void dampeningIsRaisedWhileTheGramMatrixIsNotPositiveDefiniteThenItRoundsToNearest() {
    var layer = layer(4, 2, 1);
    var grid = grid(4, IntegerScheme.CHANNEL, true);
    var raised = solve(layer, twoInputs(1.05f), config(grid, ColumnOrder.NONE, 128));
    assertThat(raised.fallbacks())
        .containsExactly(
            "with dampening 0.01 the Gram matrix is not positive definite (at input 0)");

    var hopeless = solve(layer, twoInputs(3f), config(grid, ColumnOrder.NONE, 128));
    assertThat(hopeless.fallbacks())
        .containsExactly(
            "with dampening 0.01 the Gram matrix is not positive definite (at input 0)",
            "with dampening 0.1 the Gram matrix is not positive definite (at input 0)",
            "with dampening 1.0 the Gram matrix is not positive definite (at input 0)",
            "rounded to nearest instead of GPTQ");
    assertThat(hopeless.weight().decode().values())
        .isEqualTo(Rtn.round(layer.weight(), grid).decode().values());
  }

  @Test
  void aSingularGramMatrixWithoutDampeningIsDampened() {
    var solution =
        solve(
            layer(4, 2, 1),
            twoInputs(1f),
            new Gptq.Config(grid(4, 0, true), ColumnOrder.NONE, 128, 0));
    assertThat(solution.fallbacks())
        .containsExactly(
            "with dampening 0.0 the Gram matrix is not positive definite (at input 0)");
  }

  @Test
  void weightsAndInputsThatAreNotNumbersAreRefusedByName() {
    var layer = layer(4, 32, 1);
    layer.weight().set(2, 5, Float.NaN);
    var level = config(grid(4, 32, true), ColumnOrder.NONE, 128);
    assertThatThrownBy(() -> solve(layer, statistics(32, 1), level))
        .isInstanceOf(LatheException.class)
        .hasMessage(
            "layer block.0.linear: weight [2, 5] is NaN; a layer to compress must have finite weights");
    assertThatThrownBy(
            () ->
                new Rtn()
                    .solve(layer, LayerStatistics.NONE, List.of(new Rtn.Config(grid(4, 32, true)))))
        .isInstanceOf(LatheException.class);
    var gram = gram(32, 100, 1);
    gram.set(7, 7, Float.POSITIVE_INFINITY);
    assertThatThrownBy(() -> solve(layer(4, 32, 1), LayerStatistics.of(100, gram), level))
        .isInstanceOf(LatheException.class)
        .hasMessage("layer block.0.linear: input 7 is NaN or infinite on some calibration token");
  }

  @Test
  void settingsGoByTheNamesOfRecipes() {
    var grid = grid(4, 32, true);
    assertThat(new Gptq().config(grid, java.util.Map.of())).isEqualTo(Gptq.Config.of(grid));
    assertThat(
            new Gptq()
                .config(
                    grid,
                    java.util.Map.of(
                        "block_size", 64, "dampening_frac", "0.05", "actorder", "group")))
        .isEqualTo(new Gptq.Config(grid, ColumnOrder.GROUP, 64, 0.05));
    assertThatThrownBy(() -> new Gptq().config(grid, java.util.Map.of("damp_frac", 1)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("did you mean 'dampening_frac'?");
    assertThatThrownBy(() -> new Gptq().config(grid, java.util.Map.of("dampening_frac", "much")))
        .isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> new Gptq().config(grid, java.util.Map.of("block_size", 0)))
        .isInstanceOf(LatheException.class);
  }

  private static LayerStatistics twoInputs(float c) {
    return LayerStatistics.of(10, new Matrix(2, 2, new float[] {1, c, c, 1}));
  }

  private static Gptq.Config config(Grid grid, ColumnOrder order, int blockSize) {
    return new Gptq.Config(grid, order, blockSize, DAMPENING);
  }

  private static Solution solve(Layer layer, LayerStatistics statistics, Gptq.Config config) {
    return new Gptq().solve(layer, statistics, List.of(config)).getFirst();
  }

  private static double error(Layer layer, LayerStatistics statistics, Solution solution) {
    return OutputError.relative(layer.weight(), solution.weight(), statistics.gram().orElseThrow());
  }

  private static byte[] codes(Solution solution) {
    return ((GroupQuantized) solution.weight()).codes();
  }

  /** A quantizer with all groups fitted to the weight as it is. */
  private static Quantizer fitted(Grid grid, Matrix weight) {
    int n = weight.columns();
    var quantizer = grid.quantizer(weight.rows(), n, null, null);
    for (int i = 0; i < weight.rows(); i++) {
      for (int j = 0; j < n; j += grid.groupSize(n)) {
        quantizer.fit(i, j / grid.groupSize(n), weight.values(), i * n + j);
      }
    }
    return quantizer;
  }

  private static int[] descending(Matrix gram) {
    return java.util.stream.IntStream.range(0, gram.rows())
        .boxed()
        .sorted((a, b) -> Float.compare(gram.at(b, b), gram.at(a, a)))
        .mapToInt(Integer::intValue)
        .toArray();
  }

  private static Layer permuted(Layer layer, int[] order) {
    return new Layer(layer.name(), layer.weight().permuteColumns(order));
  }

  private static Matrix permuted(Matrix gram, int[] order) {
    var result = Matrix.zeros(order.length, order.length);
    for (int i = 0; i < order.length; i++) {
      for (int j = 0; j < order.length; j++) {
        result.set(i, j, gram.at(order[i], order[j]));
      }
    }
    return result;
  }

  /** By Gauss-Jordan elimination. */
  private static double[][] dampedInverse(Matrix gram) {
    int n = gram.rows();
    double damping = 0;
    for (int j = 0; j < n; j++) {
      damping += DAMPENING * gram.at(j, j) / n;
    }
    var a = new double[n][2 * n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        a[i][j] = gram.at(i, j) + (i == j ? damping : 0);
      }
      a[i][n + i] = 1;
    }
    for (int p = 0; p < n; p++) {
      double pivot = a[p][p];
      for (int j = 0; j < 2 * n; j++) {
        a[p][j] /= pivot;
      }
      for (int i = 0; i < n; i++) {
        double factor = a[i][p];
        for (int j = 0; i != p && j < 2 * n; j++) {
          a[i][j] -= factor * a[p][j];
        }
      }
    }
    return Arrays.stream(a).map(row -> Arrays.copyOfRange(row, n, 2 * n)).toArray(double[][]::new);
  }

  private static void eliminate(double[][] inverse, int p) {
    int n = inverse.length;
    var row = inverse[p].clone();
    for (int i = 0; i < n; i++) {
      double factor = inverse[i][p] / row[p];
      for (int j = 0; j < n; j++) {
        inverse[i][j] -= factor * row[j];
      }
    }
  }
}
