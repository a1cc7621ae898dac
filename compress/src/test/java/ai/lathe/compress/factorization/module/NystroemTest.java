package ai.lathe.compress.factorization.module;

import static ai.lathe.compress.factorization.module.Features.columns;
import static ai.lathe.compress.factorization.module.Features.error;
import static ai.lathe.compress.factorization.module.Features.gram;
import static ai.lathe.compress.factorization.module.Features.product;
import static ai.lathe.compress.factorization.module.Features.related;
import static ai.lathe.compress.factorization.module.Features.rows;
import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.factorization.Doubles;
import ai.lathe.tensor.Matrix;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NystroemTest {

  private static final int FEATURES = 24;
  private static final int TOKENS = 300;

  @ParameterizedTest
  @ValueSource(doubles = {1e-4, 1e-2, 1, 100})
  void leverageIsAShareAndSumsToTheEffectiveRank(double ridge) {
    var gram = gram(related(FEATURES, TOKENS, 3, 1));
    var scores = Nystroem.leverage(gram, ridge);
    for (double score : scores) {
      assertThat(score).isBetween(0.0, 1.0);
    }
    double lambda = 0;
    for (int i = 0; i < FEATURES; i++) {
      lambda += ridge * gram.at(i, i) / FEATURES;
    }
    double rank = 0;
    try (var _ = new PointerScope()) {
      for (double value : Doubles.array(torch.linalg_eigvalsh(Doubles.of(gram)))) {
        rank += value / (value + lambda);
      }
    }
    assertThat(Arrays.stream(scores).sum()).isCloseTo(rank, within(1e-9 * FEATURES));
  }

  @Test
  void whatNothingElseTellsHasTheGreatestLeverage() {
    // Features 1 and 3 say the same, feature 5 nothing at all.
    var x = gaussian(6, 500, 7);
    for (int t = 0; t < x.columns(); t++) {
      x.set(3, t, x.at(1, t));
      x.set(5, t, 0);
    }
    var scores = Nystroem.leverage(gram(x), 1e-3);
    assertThat(scores[5]).isZero();
    assertThat(scores[1]).isCloseTo(0.5, within(0.01));
    assertThat(scores[3]).isCloseTo(scores[1], within(1e-6));
    assertThat(Nystroem.greatest(scores, 3)).containsExactly(0, 2, 4);
    assertThat(Nystroem.greatest(new double[] {1, 2, 2, 2}, 2)).containsExactly(1, 2);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 6, 12, 20, 23})
  void refittingIsNeverWorseThanSlicing(int count) {
    var x = related(FEATURES, TOKENS, 3, 11);
    var gram = gram(x);
    var down = gaussian(10, FEATURES, 14);
    var kept = Nystroem.greatest(Nystroem.leverage(gram, 0.01), count);
    var outputs = product(down, x);
    var seen = rows(x, kept);
    var refitted = Nystroem.refitted(down, gram, kept);
    double fitted = error(outputs, product(refitted, seen));
    assertThat(fitted).isLessThan(error(outputs, product(columns(down, kept), seen)));
    // Nothing beside it is nearer: it is the least-squares solution.
    for (int seed = 0; seed < 4; seed++) {
      var beside = refitted.copy();
      var step = gaussian(10, count, 20 + seed);
      for (int i = 0; i < beside.values().length; i++) {
        beside.values()[i] += 0.01f * step.values()[i];
      }
      assertThat(error(outputs, product(beside, seen))).isGreaterThan(fitted);
    }
  }

  @Test
  void featuresThatFollowFromOthersCostNothing() {
    var x = gaussian(12, 400, 31);
    var mix = gaussian(4, 8, 32);
    var follow = product(mix, rows(x, IntStream.range(0, 8).toArray()));
    System.arraycopy(follow.values(), 0, x.values(), 8 * 400, 4 * 400);
    var down = gaussian(5, 12, 33);
    var kept = IntStream.range(0, 8).toArray();
    var refitted = Nystroem.refitted(down, gram(x), kept);
    assertThat(error(product(down, x), product(refitted, rows(x, kept)))).isLessThan(1e-9);
  }

  @Test
  void allFeaturesAreTheMatrixItself() {
    var down = gaussian(5, 12, 41);
    var gram = gram(gaussian(12, 40, 42));
    var all = IntStream.range(0, 12).toArray();
    assertThat(Nystroem.refitted(down, gram, all).values()).isEqualTo(down.values());
    var nothing = Matrix.zeros(12, 12);
    assertThat(Nystroem.refitted(down, nothing, new int[] {3}).values())
        .isEqualTo(columns(down, 3).values());
    assertThat(Nystroem.leverage(nothing, 1)).containsOnly(0);
  }
}
