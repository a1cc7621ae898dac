package ai.lathe.compress.pruning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.RandomLayers;
import ai.lathe.compress.pruning.SparseGpt.Choice;
import ai.lathe.compress.pruning.SparseGpt.Config;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.InverseFactor;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.quantization.Problems;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SparseGptTest {

  private static final Kept FLOATS = new Kept.Plain(DType.F32);

  private static Sparsity sparsity(String pattern, double share) {
    var parsed = Pattern.parse(pattern);
    return parsed instanceof Pattern.SemiStructured
        ? Sparsity.of(Optional.empty(), parsed)
        : new Sparsity(share, parsed);
  }

  private static Sparse solve(Layer layer, LayerStatistics statistics, Config level) {
    return (Sparse) new SparseGpt().solve(layer, statistics, List.of(level)).getFirst().weight();
  }

  private static Config of(Sparsity sparsity, int blockSize, double dampening) {
    return new Config(sparsity, FLOATS, blockSize, dampening, true, Choice.SPARSEGPT);
  }

  @ParameterizedTest
  @CsvSource({"unstructured,1", "2:4,1", "1x4,1", "4x1,1", "2x2,1", "unstructured,3", "2:4,3"})
  void differenceIsErrorsTimesFactor(String pattern, long seed) {
    var w = RandomLayers.gaussian(12, 40, seed);
    var statistics = Problems.statistics(40, seed);
    var level = of(sparsity(pattern, 0.5), 16, 0.01);
    var factor = InverseFactor.of(statistics.gram().orElseThrow(), false, 0.01);
    var sweep = SparseGpt.sweep(w, statistics, factor, level);
    var q = sweep.result();
    var e = sweep.weights();
    var u = factor.upper().orElseThrow();
    for (int i = 0; i < w.rows(); i++) {
      for (int k = 0; k < w.columns(); k++) {
        double sum = 0;
        for (int j = 0; j <= k; j++) {
          sum += (double) e.at(i, j) * u.at(j, k);
        }
        assertThat((double) w.at(i, k) - q.at(i, k)).isCloseTo(sum, within(2e-4));
        assertThat(q.at(i, k) == 0).isEqualTo(!sweep.mask().keeps(i, k));
      }
    }
    assertThat(sweep.mask().follows(level.sparsity().pattern())).isTrue();
    assertThat(sweep.mask().kept()).isEqualTo(240);
  }

  @ParameterizedTest
  @CsvSource({"unstructured,0.5", "unstructured,0.7", "2:4,0", "1x4,0.5", "4x1,0.5"})
  void losesLessThanMagnitudeAndThanTheSameZerosWithoutUpdate(String pattern, double share) {
    var layer = Problems.layer(32, 96, 5);
    var statistics = Problems.statistics(96, 5);
    var gram = statistics.gram().orElseThrow();
    var asked = sparsity(pattern, share);
    var pruned = solve(layer, statistics, of(asked, 32, 0.01));
    double error = OutputError.relative(layer.weight(), pruned, gram);

    var magnitude =
        new Magnitude()
            .solve(layer, statistics, List.of(new Magnitude.Config(asked, FLOATS, Scope.LAYER)))
            .getFirst()
            .weight();
    assertThat(error).isLessThan(0.8 * OutputError.relative(layer.weight(), magnitude, gram));

    var still = Sparse.of(Dense.of(layer.weight()), pruned.mask(), asked.pattern());
    assertThat(error).isLessThan(0.8 * OutputError.relative(layer.weight(), still, gram));
  }

  /** Nothing can be made up for where inputs are uncorrelated; what is cheap is Wanda's score. */
  @Test
  void diagonalGramGivesWandasOrderWithinEachBlockAndMovesNothing() {
    int rows = 8;
    int columns = 48;
    int block = 16;
    var layer = Problems.layer(rows, columns, 9);
    var h = Matrix.zeros(columns, columns);
    for (int j = 0; j < columns; j++) {
      h.set(j, j, 1 + j * 37 % 11);
    }
    var statistics = LayerStatistics.of(100, h);
    var pruned = solve(layer, statistics, of(sparsity("unstructured", 0.5), block, 0));
    var scores = Wanda.scores(layer.weight(), statistics.squaredNorm().orElseThrow());
    for (int from = 0; from < columns; from += block) {
      var ofBlock = new float[rows * block];
      for (int at = 0; at < ofBlock.length; at++) {
        ofBlock[at] = scores.at(at / block, from + at % block);
      }
      var sorted = ofBlock.clone();
      Arrays.sort(sorted);
      float least = sorted[sorted.length / 2];
      for (int at = 0; at < ofBlock.length; at++) {
        assertThat(pruned.mask().keeps(at / block, from + at % block))
            .isEqualTo(ofBlock[at] >= least);
      }
    }
    var result = pruned.decode();
    for (int at = 0; at < result.values().length; at++) {
      if (pruned.mask().keeps(at / columns, at % columns)) {
        assertThat(result.values()[at]).isEqualTo(layer.weight().values()[at]);
      }
    }
  }

  /**
   * Each removal is made up for by all inputs after it, so that these are the least-squares
   * solution for what stands before them. Where all that is removed comes first, the weights that
   * stay are therefore the least-squares solution: {@code q_K = w_K + w_S H_SK H_KK^-1}.
   */
  @Test
  void keptWeightsAfterAllRemovedOnesAreTheLeastSquaresSolution() {
    int rows = 3;
    int columns = 12;
    int removed = 5;
    var w = RandomLayers.gaussian(rows, columns, 21);
    // Small enough for any order of importance: the first inputs go, the others stay.
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < removed; j++) {
        w.set(i, j, 1e-3f * w.at(i, j) / Math.max(1, Math.abs(w.at(i, j))));
      }
      for (int j = removed; j < columns; j++) {
        w.set(i, j, w.at(i, j) + Math.signum(w.at(i, j)));
      }
    }
    var gram = Problems.gram(columns, 60, 22);
    var statistics = LayerStatistics.of(60, gram);
    var level =
        new Config(
            sparsity("unstructured", (double) removed / columns),
            FLOATS,
            4,
            0,
            true,
            Choice.MAGNITUDE);
    var q = solve(new Layer("l", w), statistics, level).decode();
    for (int i = 0; i < rows; i++) {
      var expected = leastSquares(w, i, gram, removed);
      for (int j = 0; j < columns; j++) {
        double exact = j < removed ? 0 : expected[j - removed];
        assertThat((double) q.at(i, j)).isCloseTo(exact, within(2e-5));
      }
    }
  }

  /** In general: the gradient of the error vanishes at every input after the last removed one. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void errorIsStationaryInAllInputsAfterTheLastRemoved(long seed) {
    int columns = 20;
    var layer = Problems.layer(6, columns, seed);
    var gram = Problems.gram(columns, 80, seed);
    var level = of(sparsity("unstructured", 0.4), 8, 0);
    var pruned = solve(layer, LayerStatistics.of(80, gram), level);
    var q = pruned.decode();
    int checked = 0;
    for (int i = 0; i < q.rows(); i++) {
      int last = columns - 1;
      while (pruned.mask().keeps(i, last)) {
        last--;
      }
      for (int k = last + 1; k < columns; k++, checked++) {
        double gradient = 0;
        double size = 0;
        for (int j = 0; j < columns; j++) {
          double term = ((double) q.at(i, j) - layer.weight().at(i, j)) * gram.at(j, k);
          gradient += term;
          size += Math.abs(term);
        }
        assertThat(Math.abs(gradient)).isLessThan(1e-4 * size);
      }
    }
    assertThat(checked).isPositive();
  }

  /** Gaussian elimination in float64. */
  private static double[] leastSquares(Matrix w, int row, Matrix gram, int removed) {
    int kept = w.columns() - removed;
    var a = new double[kept][kept + 1];
    for (int k = 0; k < kept; k++) {
      for (int l = 0; l < kept; l++) {
        a[k][l] = gram.at(removed + k, removed + l);
      }
      // The normal equations: q_K H_KK = w H_:K.
      for (int j = 0; j < w.columns(); j++) {
        a[k][kept] += (double) w.at(row, j) * gram.at(j, removed + k);
      }
    }
    for (int p = 0; p < kept; p++) {
      for (int r = p + 1; r < kept; r++) {
        double factor = a[r][p] / a[p][p];
        for (int c = p; c <= kept; c++) {
          a[r][c] -= factor * a[p][c];
        }
      }
    }
    var x = new double[kept];
    for (int p = kept - 1; p >= 0; p--) {
      x[p] = a[p][kept];
      for (int c = p + 1; c < kept; c++) {
        x[p] -= a[p][c] * x[c];
      }
      x[p] /= a[p][p];
    }
    return x;
  }

  /** Before anything is removed, the first block costs what its removal from the row does. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void blocksOfInputsCostWhatTheirJointRemovalDoes(int wide) {
    int columns = 8;
    var w = RandomLayers.gaussian(1, columns, 31);
    var gram = Problems.gram(columns, 40, 31);
    var rest = leastSquares(w, 0, gram, wide);
    var difference = w.copy();
    for (int j = wide; j < columns; j++) {
      difference.set(0, j, (float) (w.at(0, j) - rest[j - wide]));
    }
    var factor = InverseFactor.of(gram, false, 0);
    var sweep = new PruningSweep(w, factor, of(sparsity("1x" + wide, 0.5), 8, 0), Optional.empty());
    double energy = OutputError.energy(difference, gram);
    assertThat(sweep.cost(0, 0, new double[wide])).isCloseTo(energy, within(1e-3 * energy));
  }

  @ParameterizedTest
  @CsvSource({"0.3", "0.5", "0.37", "0"})
  void zerosAreCountedExactly(double share) {
    var layer = Problems.layer(7, 50, 3);
    var pruned =
        solve(layer, Problems.statistics(50, 3), of(sparsity("unstructured", share), 16, 0.01));
    assertThat(pruned.mask().kept()).isEqualTo(350 - Math.round(350 * share));
    var encoding = new SparseGpt().encoding(of(sparsity("unstructured", share), 16, 0.01), 7, 50);
    assertThat(pruned.encoding()).isEqualTo(encoding);
  }

  @Test
  void zerosThatExistStayAndCount() {
    var layer = Problems.layer(8, 32, 13);
    for (int i = 0; i < 8; i++) {
      // More than is asked for: three of every four.
      for (int j = 0; j < 32; j++) {
        if (j % 4 != 1) {
          layer.weight().set(i, j, 0);
        }
      }
    }
    var pruned = solve(layer, Problems.statistics(32, 13), of(sparsity("2:4", 0), 16, 0.01));
    var result = pruned.decode();
    for (int at = 0; at < result.values().length; at++) {
      assertThat(result.values()[at] == 0).isEqualTo(layer.weight().values()[at] == 0);
    }
    assertThat(pruned.mask().kept()).isEqualTo(128);
  }

  @ParameterizedTest
  @CsvSource({"unstructured,true", "unstructured,false", "2:4,true", "4x1,false", "1x4,true"})
  void pruningAndRoundingInOneSweepLosesLessThanOneAfterTheOther(
      String pattern, boolean symmetric) {
    var layer = Problems.layer(32, 64, 17);
    var statistics = Problems.statistics(64, 17);
    var gram = statistics.gram().orElseThrow();
    var grid = Problems.grid(4, 32, symmetric);
    var asked = sparsity(pattern, 0.5);
    var joint = new Kept.Rounded(grid, Optional.of(Gptq.Config.of(grid)));
    var after = new Kept.Rounded(grid, Optional.empty());
    var solutions =
        new SparseGpt()
            .solve(layer, statistics, List.of(Config.of(asked, joint), Config.of(asked, after)));
    var together = (Sparse) solutions.getFirst().weight();
    assertThat(together.mask().kept()).isEqualTo(1024);
    assertThat(together.dense()).isInstanceOf(GroupQuantized.class);
    assertThat(error(layer, together, gram))
        .isLessThan(error(layer, solutions.getLast().weight(), gram));
  }

  private static double error(Layer layer, LinearWeight weight, Matrix gram) {
    return OutputError.relative(layer.weight(), weight, gram);
  }

  @Test
  void updatesTheWeightsBesideZerosThatAnotherMethodChose() {
    var layer = Problems.layer(16, 64, 19);
    var statistics = Problems.statistics(64, 19);
    var half = sparsity("unstructured", 0.5);
    var wanda =
        new Wanda()
            .solve(layer, statistics, List.of(new Wanda.Config(half, FLOATS, Scope.ROW)))
            .getFirst()
            .weight();
    var level =
        new SparseGpt().config(half, FLOATS, Map.of("mask", "wanda", "dampening_frac", "0.001"));
    var updated = solve(layer, statistics, level);
    assertThat(updated.mask()).isEqualTo(((Sparse) wanda).mask());
    var gram = statistics.gram().orElseThrow();
    assertThat(error(layer, updated, gram)).isLessThan(0.8 * error(layer, wanda, gram));
  }

  @Test
  void inputsThatAreAlwaysZeroGoFirstAndAllZeroInputsFallBackByName() {
    var layer = Problems.layer(8, 16, 23);
    var gram = Problems.gram(16, 64, 23);
    for (int j = 0; j < 16; j++) {
      gram.set(5, j, 0);
      gram.set(j, 5, 0);
    }
    var pruned =
        solve(layer, LayerStatistics.of(64, gram), of(sparsity("unstructured", 0.25), 16, 0.01));
    for (int row = 0; row < 8; row++) {
      assertThat(pruned.mask().keeps(row, 5)).isFalse();
    }
    var nothing =
        new SparseGpt()
            .solve(
                layer,
                LayerStatistics.of(64, Matrix.zeros(16, 16)),
                List.of(of(sparsity("unstructured", 0.25), 16, 0.01)))
            .getFirst();
    assertThat(nothing.fallbacks())
        .contains("pruned by magnitude instead of SparseGPT, block by block");
  }

  @Test
  void refusesUnknownSettings() {
    var half = sparsity("unstructured", 0.5);
    assertThatThrownBy(() -> new SparseGpt().config(half, FLOATS, Map.of("dampening", 0.1)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("did you mean 'dampening_frac'");
    assertThatThrownBy(() -> new SparseGpt().config(half, FLOATS, Map.of("dampening_frac", 2)))
        .hasMessageContaining("between 0 and 1");
  }
}
