package ai.lathe.compress.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.RandomLayers;
import ai.lathe.tensor.Encoding.Codebooks;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Matrix;
import java.util.List;
import org.junit.jupiter.api.Test;

class CodebookSearchTest {

  private static final CodebookEffort EFFORT = new CodebookEffort(0.01, 4, 3, 20, 0);

  private static final List<Codebooks> SHAPES =
      List.of(
          new Codebooks(4, 1, List.of(4), false),
          new Codebooks(3, 1, List.of(3, 3), false),
          new Codebooks(1, 4, List.of(4), true),
          new Codebooks(1, 8, List.of(4, 4), true),
          new Codebooks(2, 2, List.of(4), true));

  private static CodebookSearch search(Codebooks shape) {
    var weight = RandomLayers.gaussian(26, 24, 5);
    return new CodebookSearch(shape, weight, Problems.gram(24, 96, 6), EFFORT);
  }

  @Test
  void feedbackAndTheSecondCodebookLowerTheLoss() {
    for (var shape : SHAPES) {
      var search = search(shape);
      search.initialise();
      double nearest = search.loss();
      search.feedback();
      assertThat(search.loss()).as(shape.label()).isLessThan(0.9 * nearest);
    }
    var one = search(new Codebooks(4, 1, List.of(4), false));
    var two = search(new Codebooks(4, 1, List.of(4, 2), false));
    for (var search : List.of(one, two)) {
      search.initialise();
      search.feedback();
    }
    assertThat(two.loss()).isLessThan(0.8 * one.loss());
  }

  @Test
  void neitherHalfRaisesTheLoss() {
    for (var shape : SHAPES) {
      var search = search(shape);
      search.initialise();
      search.feedback();
      double loss = search.loss();
      for (int round = 0; round < 4; round++) {
        for (Runnable half :
            List.<Runnable>of(() -> search.fit(20), search::codes, search::descent)) {
          half.run();
          assertThat(search.loss()).as(shape.label()).isLessThanOrEqualTo(loss * (1 + 1e-5));
          loss = search.loss();
        }
      }
    }
  }

  /** With vectors of one weight and the grid's values as centroids, the sweep is GPTQ's. */
  @Test
  void feedbackWithVectorsOfOneIsGptq() {
    var layer = Problems.layer(1, 40, 11);
    var gram = Problems.gram(40, 160, 12);
    var config = Gptq.Config.of(Problems.grid(3, IntegerScheme.CHANNEL, true));
    var solution = new Gptq().solve(layer, LayerStatistics.of(160, gram), List.of(config));
    var quantized = (GroupQuantized) solution.getFirst().weight();
    var search =
        new CodebookSearch(new Codebooks(1, 1, List.of(3), false), layer.weight(), gram, EFFORT);
    float scale = quantized.scales().toFloats()[0];
    for (int k = 0; k < 8; k++) {
      search.state().books[0][k] = scale * (k - 4);
    }
    search.feedback();
    for (int j = 0; j < 40; j++) {
      assertThat(search.state().codes[j] - 4).isEqualTo(quantized.codes()[j]);
    }
  }

  /**
   * Two blocks of two inputs: the first by what the second can make up for, the second after it.
   */
  @Test
  void feedbackOfWideBlocksIsTheBestOfEachStep() {
    var weight = RandomLayers.gaussian(30, 4, 21);
    var gram = Problems.gram(4, 40, 22);
    var search = new CodebookSearch(new Codebooks(1, 2, List.of(2), false), weight, gram, EFFORT);
    var book = RandomLayers.gaussian(4, 2, 23).values();
    search.state().books[0] = book;
    search.feedback();
    var h = new double[4][4];
    for (int i = 0; i < 4; i++) {
      for (int j = 0; j < 4; j++) {
        h[i][j] = search.gram().at(i, j);
      }
    }
    var rest = inverse(h[2][2], h[2][3], h[3][3]);
    for (int row = 0; row < 30; row++) {
      int first = -1;
      double least = Double.POSITIVE_INFINITY;
      for (int k = 0; k < 4; k++) {
        var d = difference(weight, row, 0, book, k);
        var follow = follow(d, h, rest);
        // d1 H11 d1 + 2 d1 H12 d2 + d2 H22 d2 with the best real d2 = -H22^-1 H21 d1
        double loss = quadratic(h, 0, d) - quadratic(h, 2, follow);
        if (loss < least) {
          least = loss;
          first = k;
        }
      }
      var follow = follow(difference(weight, row, 0, book, first), h, rest);
      int second = -1;
      least = Double.POSITIVE_INFINITY;
      for (int k = 0; k < 4; k++) {
        var d = difference(weight, row, 2, book, k);
        double loss = quadratic(h, 2, new double[] {d[0] + follow[0], d[1] + follow[1]});
        if (loss < least) {
          least = loss;
          second = k;
        }
      }
      assertThat(search.state().codes[row]).isEqualTo(first);
      assertThat(search.state().codes[30 + row]).isEqualTo(second);
    }
  }

  private static double[] inverse(double a, double b, double d) {
    double determinant = a * d - b * b;
    return new double[] {d / determinant, -b / determinant, a / determinant};
  }

  private static double[] difference(Matrix weight, int row, int at, float[] book, int k) {
    return new double[] {
      weight.at(row, at) - book[2 * k], weight.at(row, at + 1) - book[2 * k + 1]
    };
  }

  /** {@code H22^-1 H21 d}. */
  private static double[] follow(double[] d, double[][] h, double[] rest) {
    double x = h[2][0] * d[0] + h[2][1] * d[1];
    double y = h[3][0] * d[0] + h[3][1] * d[1];
    return new double[] {rest[0] * x + rest[1] * y, rest[1] * x + rest[2] * y};
  }

  private static double quadratic(double[][] h, int at, double[] d) {
    return h[at][at] * d[0] * d[0]
        + 2 * h[at][at + 1] * d[0] * d[1]
        + h[at + 1][at + 1] * d[1] * d[1];
  }

  @Test
  void afterDescentNoSingleBlockCanDoBetter() {
    for (var shape :
        List.of(new Codebooks(2, 1, List.of(3), false), new Codebooks(1, 3, List.of(3), true))) {
      var weight = RandomLayers.gaussian(4, 6, 31);
      var search = new CodebookSearch(shape, weight, Problems.gram(6, 40, 32), EFFORT);
      search.initialise();
      for (int i = 0; i < 20; i++) {
        search.descent();
      }
      double loss = search.loss();
      var codes = search.state().codes;
      for (int i = 0; i < codes.length; i++) {
        int chosen = codes[i];
        for (int k = 0; k < 8; k++) {
          codes[i] = k;
          assertThat(search.loss()).isGreaterThanOrEqualTo(loss * (1 - 1e-5));
        }
        codes[i] = chosen;
      }
    }
  }

  @Test
  void fittedCodebooksAndScalesAreAtTheMinimum() {
    var search = search(new Codebooks(1, 4, List.of(4), true));
    search.initialise();
    search.feedback();
    var codes = search.state();
    var fit =
        new CodebookFit(codes, codes.transposed(RandomLayers.gaussian(26, 24, 5)), search.gram());
    fit.books(400);
    double least = fit.loss();
    for (int k = 0; k < codes.books[0].length; k++) {
      float value = codes.books[0][k];
      for (float step : new float[] {-0.02f, 0.02f}) {
        codes.books[0][k] = value + step;
        assertThat(fit.loss()).isGreaterThan(least * (1 - 1e-5));
      }
      codes.books[0][k] = value;
    }
    fit.scales();
    assertThat(fit.loss()).isLessThan(least);
    least = fit.loss();
    for (int row = 0; row < codes.down; row++) {
      float scale = codes.scales[row];
      for (float factor : new float[] {0.97f, 1.03f}) {
        codes.scales[row] = factor * scale;
        assertThat(fit.loss()).isGreaterThan(least);
      }
      codes.scales[row] = scale;
    }
  }

  @Test
  void aStepOfPvChangesNoMoreThanItMayAndNeverRaisesTheLoss() {
    for (var shape : SHAPES) {
      var search = search(shape);
      search.initialise();
      var state = search.state();
      var tuning = new PvTuning(search, 4);
      int blocks = state.down * state.across;
      double first = search.loss();
      double loss = first;
      for (int step = 0; step < 20; step++) {
        search.fit(20);
        assertThat(search.loss()).isLessThanOrEqualTo(loss * (1 + 1e-5));
        loss = search.loss();
        var before = state.codes.clone();
        int said = tuning.codes(0.05);
        int changed = 0;
        for (int block = 0; block < blocks; block++) {
          int at = block * state.books.length;
          int to = at + state.books.length;
          changed += java.util.Arrays.equals(before, at, to, state.codes, at, to) ? 0 : 1;
        }
        assertThat(changed).isEqualTo(said).isLessThanOrEqualTo((int) (0.05 * blocks));
        assertThat(search.loss()).isLessThanOrEqualTo(loss * (1 + 1e-5));
        loss = search.loss();
      }
      assertThat(loss).as(shape.label()).isLessThan(0.7 * first);
      var frozen = state.codes.clone();
      assertThat(tuning.codes(0)).isZero();
      assertThat(state.codes).isEqualTo(frozen);
    }
  }

  @Test
  void lossesOfRowsAddUp() {
    var search = search(SHAPES.getLast());
    search.initialise();
    var codes = search.state();
    var fit =
        new CodebookFit(codes, codes.transposed(RandomLayers.gaussian(26, 24, 5)), search.gram());
    assertThat(java.util.Arrays.stream(fit.losses()).sum())
        .isCloseTo(fit.loss(), within(1e-4 * fit.loss()));
  }
}
