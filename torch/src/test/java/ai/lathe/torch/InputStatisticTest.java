package ai.lathe.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import ai.lathe.tensor.LatheException;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InputStatisticTest {

  /** Below, at and above the width of a strip, and not a multiple of it. */
  @ParameterizedTest
  @ValueSource(ints = {1, 5, 512, 1100})
  void gramIsTheDirectProduct(int size) {
    int batches = 3;
    int tokens = 20;
    var random = new SplittableRandom(size);
    var expected = new double[size * size];
    try (var _ = new PointerScope();
        var gram = new GramAccumulator(size);
        var norms = new FeatureAccumulator(size)) {
      for (int b = 0; b < batches; b++) {
        var x = TinyModel.gaussian(random, 0.3, 1, (long) tokens * size).toFloats();
        var tensor = Torch.ofFloats(x, 4, 5, size);
        gram.add(tensor, null);
        norms.add(tensor, null);
        for (int t = 0; t < tokens; t++) {
          for (int i = 0; i < size; i++) {
            for (int j = 0; j < size; j++) {
              expected[i * size + j] += (double) x[t * size + i] * x[t * size + j];
            }
          }
        }
      }
      var actual = gram.gram();
      for (int i = 0; i < size; i++) {
        for (int j = 0; j < size; j++) {
          double scale = Math.sqrt(expected[i * size + i] * expected[j * size + j]);
          assertThat((double) actual.at(i, j))
              .isCloseTo(expected[i * size + j], within(1e-6 * scale));
          assertThat(actual.at(i, j)).isEqualTo(actual.at(j, i));
        }
        double diagonal = expected[i * size + i];
        assertThat((double) gram.squaredNorm()[i]).isCloseTo(diagonal, within(1e-6 * diagonal));
        assertThat((double) norms.squaredNorm()[i]).isCloseTo(diagonal, within(1e-6 * diagonal));
      }
      assertThat(gram.tokens()).isEqualTo(batches * tokens);
      assertThat(norms.tokens()).isEqualTo(batches * tokens);
    }
  }

  @Test
  void paddingIsLeftOut() {
    try (var _ = new PointerScope();
        var gram = new GramAccumulator(2);
        var norms = new FeatureAccumulator(2)) {
      var x = Torch.ofFloats(new float[] {1, 2, 100, 100, 3, 4, 5, 6}, 2, 2, 2);
      var padding = Torch.ofFloats(new float[] {1, 0, 1, 1}, 2, 2);
      gram.add(x, padding);
      norms.add(x, padding);
      assertThat(gram.gram().values()).containsExactly(35, 44, 44, 56);
      assertThat(norms.squaredNorm()).containsExactly(35, 56);
      assertThat(gram.tokens()).isEqualTo(3);
    }
  }

  @Test
  void magnitudesAndRangesOfRealTokens() {
    try (var _ = new PointerScope();
        var features = new FeatureAccumulator(2)) {
      features.add(
          Torch.ofFloats(new float[] {1, -2, 100, 100}, 2, 2),
          Torch.ofFloats(new float[] {1, 0}, 2));
      features.add(Torch.ofFloats(new float[] {-3, -4, 5, -6}, 2, 2), null);
      assertThat(features.meanMagnitude()).containsExactly(3, 4);
      assertThat(features.least()).containsExactly(-3, -6);
      assertThat(features.greatest()).containsExactly(5, -2);
    }
  }

  /** More tokens than one product takes; a float32 sum of 4,096 terms may lose 2^-12 of itself. */
  @Test
  void longBatchesAreSummedWhole() {
    int tokens = 10_000;
    var x = new float[tokens];
    java.util.Arrays.fill(x, 0.1f);
    try (var _ = new PointerScope();
        var gram = new GramAccumulator(1)) {
      gram.add(Torch.ofFloats(x, tokens, 1), null);
      double square = (double) 0.1f * 0.1f;
      assertThat((double) gram.gram().at(0, 0))
          .isCloseTo(tokens * square, withinPercentage(100.0 / 4096));
    }
  }

  @Test
  void aBatchWithNanIsSkippedAndCounted() {
    try (var _ = new PointerScope();
        var gram = new GramAccumulator(2);
        var norms = new FeatureAccumulator(2)) {
      var bad = Torch.ofFloats(new float[] {1, 1, Float.NaN, 1}, 2, 2);
      var good = Torch.ofFloats(new float[] {1, 2}, 1, 2);
      for (var statistic : new InputStatistic[] {gram, norms}) {
        statistic.add(bad, null);
        statistic.add(good, null);
        assertThat(statistic.skipped()).isEqualTo(1);
        assertThat(statistic.tokens()).isEqualTo(1);
        assertThat(statistic.squaredNorm()).containsExactly(1, 4);
        // NaN in padding harms nothing.
        statistic.add(bad, Torch.ofFloats(new float[] {1, 0}, 2));
        assertThat(statistic.squaredNorm()).containsExactly(2, 5);
      }
    }
  }

  @Test
  void anotherWidthIsRefused() {
    try (var _ = new PointerScope();
        var gram = new GramAccumulator(3)) {
      var x = Torch.ofFloats(new float[4], 2, 2);
      assertThatThrownBy(() -> gram.add(x, null)).isInstanceOf(LatheException.class);
    }
  }
}
