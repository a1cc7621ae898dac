package ai.lathe.compress.pruning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.RandomLayers;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.Problems;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.linalg.Cut;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PrunersTest {

  private static final Kept FLOATS = new Kept.Plain(DType.F32);

  private static Sparsity share(double share) {
    return new Sparsity(share, Pattern.UNSTRUCTURED);
  }

  private static Mask magnitude(Matrix weight, Sparsity sparsity, Scope scope) {
    var level = new Magnitude.Config(sparsity, FLOATS, scope);
    return ((Sparse) solve(new Magnitude(), level, weight, LayerStatistics.NONE)).mask();
  }

  private static Mask wanda(Matrix weight, float[] norms, Sparsity sparsity) {
    var statistics = new LayerStatistics(10, Optional.empty(), Optional.of(norms));
    var level = new Wanda.Config(sparsity, FLOATS, Scope.ROW);
    return ((Sparse) solve(new Wanda(), level, weight, statistics)).mask();
  }

  private static <C extends ai.lathe.compress.layer.SolverConfig>
      ai.lathe.tensor.LinearWeight solve(
          PruningMethod<C> method, C level, Matrix weight, LayerStatistics statistics) {
    var solution = method.solve(new Layer("l", weight), statistics, List.of(level)).getFirst();
    assertThat(solution.weight().encoding())
        .isEqualTo(method.encoding(level, weight.rows(), weight.columns()));
    return solution.weight();
  }

  /** Against sorting, with many equal scores. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7, 500, 20_000, 39_999, 40_000})
  void cutsOffExactlyTheSmallest(int k) {
    var random = new Random(k);
    var scores = new float[40_000];
    for (int i = 0; i < scores.length; i++) {
      scores[i] =
          random.nextInt(3) == 0 ? random.nextInt(4) : Math.abs((float) random.nextGaussian());
    }
    var sorted = scores.clone();
    Arrays.sort(sorted);
    var cut = Cut.of(k, scores, 0, scores.length);
    long below = 0;
    for (float score : scores) {
      below += score < cut.threshold() ? 1 : 0;
    }
    assertThat(below + cut.ties()).isEqualTo(k);
    if (k > 0) {
      assertThat(cut.threshold()).isEqualTo(sorted[k - 1]);
      int few = Math.min(k, 300);
      var shorter = Cut.of(few, Arrays.copyOf(scores, 300), 0, 300);
      assertThat(shorter).isEqualTo(Cut.of(few, counter -> counter.count(scores, 0, 300)));
    }
  }

  @Test
  void magnitudeKeepsTheGreatestOfTheLayer() {
    var w = new Matrix(2, 4, new float[] {1, -8, 2, 7, -3, 6, 5, -4});
    var mask = magnitude(w, share(0.5), Scope.LAYER);
    assertThat(kept(mask)).isEqualTo("0101 0110");
    assertThat(kept(magnitude(w, share(0.5), Scope.ROW))).isEqualTo("0101 0110");
    assertThat(kept(magnitude(w, share(0.25), Scope.LAYER))).isEqualTo("0101 1111");
    assertThat(kept(magnitude(w, share(0.25), Scope.ROW))).isEqualTo("0111 0111");
  }

  @Test
  void blocksCountWithTheirNorm() {
    var w = new Matrix(2, 4, new float[] {3, 0, 4, 0, 0, 3, 0, 1});
    var columns = new Sparsity(0.5, new Pattern.Blocks(2, 1));
    assertThat(kept(magnitude(w, columns, Scope.LAYER))).isEqualTo("0110 0110");
    var rows = new Sparsity(0.5, new Pattern.Blocks(1, 2));
    assertThat(kept(magnitude(w, rows, Scope.LAYER))).isEqualTo("0011 1100");
  }

  private static String kept(Mask mask) {
    var text = new StringBuilder();
    for (int i = 0; i < mask.rows(); i++) {
      text.append(i == 0 ? "" : " ");
      for (int j = 0; j < mask.columns(); j++) {
        text.append(mask.keeps(i, j) ? 1 : 0);
      }
    }
    return text.toString();
  }

  @Test
  void wandaWithEqualNormsIsMagnitudeOfEachRow() {
    var w = RandomLayers.gaussian(16, 50, 1);
    var norms = new float[50];
    Arrays.fill(norms, 7.5f);
    assertThat(wanda(w, norms, share(0.5))).isEqualTo(magnitude(w, share(0.5), Scope.ROW));
  }

  @Test
  void wandaDoesNotSeeScalesThatCancel() {
    var w = RandomLayers.gaussian(16, 48, 2);
    var norms = new float[48];
    var scaled = w.copy();
    var other = new float[48];
    for (int j = 0; j < 48; j++) {
      norms[j] = 1 + j % 5;
      // A power of two, so that nothing is rounded.
      float c = (float) Math.pow(2, j % 7 - 3);
      other[j] = norms[j] / (c * c);
      for (int i = 0; i < 16; i++) {
        scaled.set(i, j, w.at(i, j) * c);
      }
    }
    for (var sparsity : List.of(share(0.6), Sparsity.of(Optional.empty(), Pattern.parse("2:4")))) {
      assertThat(wanda(scaled, other, sparsity)).isEqualTo(wanda(w, norms, sparsity));
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, 0.29, 0.5, 0.7, 0.99})
  void wandaMakesExactlySoManyOfEachRowZero(double share) {
    var mask =
        wanda(
            RandomLayers.gaussian(9, 100, 3),
            RandomLayers.gaussian(1, 100, 4).values().clone(),
            share(share),
            true);
    for (int row = 0; row < 9; row++) {
      assertThat(mask.kept(row, 0, 100)).isEqualTo(100 - (int) (100 * share));
    }
  }

  private static Mask wanda(Matrix weight, float[] roots, Sparsity sparsity, boolean squared) {
    var norms = new float[roots.length];
    for (int j = 0; j < norms.length; j++) {
      norms[j] = squared ? roots[j] * roots[j] : roots[j];
    }
    return wanda(weight, norms, sparsity);
  }

  @ParameterizedTest
  @CsvSource({"2:4", "4:8", "1:4", "3:5", "7:10"})
  void everyGroupKeepsItsGreatest(String pattern) {
    var fixed = (Pattern.SemiStructured) Pattern.parse(pattern);
    var w = RandomLayers.gaussian(8, 40, 5);
    var mask = magnitude(w, Sparsity.of(Optional.empty(), fixed), Scope.LAYER);
    assertThat(mask.follows(fixed)).isTrue();
    for (int i = 0; i < 8; i++) {
      for (int j = 0; j < 40; j += fixed.of()) {
        float least = Float.POSITIVE_INFINITY;
        float most = 0;
        for (int k = j; k < j + fixed.of(); k++) {
          float size = Math.abs(w.at(i, k));
          least = mask.keeps(i, k) ? Math.min(least, size) : least;
          most = mask.keeps(i, k) ? most : Math.max(most, size);
        }
        assertThat(least).isGreaterThan(most);
      }
    }
  }

  @Test
  void whatStaysIsRoundedAndWhatGoesIsZero() {
    var w = RandomLayers.gaussian(16, 64, 7);
    var statistics = Problems.statistics(64, 7);
    var grid = Problems.grid(4, 32, false);
    for (var kept :
        List.of(
            new Kept.Rounded(grid, Optional.empty()),
            new Kept.Rounded(grid, Optional.of(Gptq.Config.of(grid))))) {
      var level = new Wanda.Config(share(0.5), kept, Scope.ROW);
      var weight = (Sparse) solve(new Wanda(), level, w, statistics);
      var plain =
          (Sparse)
              solve(new Wanda(), new Wanda.Config(share(0.5), FLOATS, Scope.ROW), w, statistics);
      assertThat(weight.mask()).isEqualTo(plain.mask());
      var decoded = weight.decode();
      assertThat(weight.dense().decode().values()).isEqualTo(decoded.values());
      for (int at = 0; at < decoded.values().length; at++) {
        if (!weight.mask().keeps(at / 64, at % 64)) {
          assertThat(decoded.values()[at]).isZero();
        }
      }
    }
  }

  @Test
  void badSparsitiesAndNamesAreSaidInOneLine() {
    assertThatThrownBy(() -> share(1))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("not 1.0");
    assertThatThrownBy(() -> share(-0.1)).isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> share(Double.NaN)).isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> new Sparsity(0.7, Pattern.parse("2:4")))
        .hasMessageContaining("contradicts");
    assertThatThrownBy(() -> Sparsity.of(Optional.empty(), Pattern.UNSTRUCTURED))
        .hasMessageContaining("needs a sparsity");
    assertThatThrownBy(() -> Pruners.named("sparsegtp"))
        .hasMessageContaining("did you mean 'sparsegpt'");
    assertThatThrownBy(() -> new Magnitude().config(share(0.5), FLOATS, Map.of("scope", "layers")))
        .hasMessageContaining("did you mean 'layer'");
    assertThat(
            new Magnitude()
                .refusal(
                    4,
                    30,
                    new Magnitude.Config(
                        Sparsity.of(Optional.empty(), Pattern.parse("2:4")), FLOATS, Scope.LAYER)))
        .contains("2:4 does not divide rows of 30");
  }

  private record Given(Matrix weight) implements Candidate {
    @Override
    public int rows() {
      return weight.rows();
    }

    @Override
    public int columns() {
      return weight.columns();
    }
  }

  private static List<Candidate> given(int... shape) {
    var all = new java.util.ArrayList<Candidate>();
    for (int i = 0; i < shape.length; i += 2) {
      all.add(new Given(RandomLayers.gaussian(shape[i], shape[i + 1], i)));
    }
    return all;
  }

  private static long zeros(List<Candidate> matrices, List<Double> shares) {
    long zeros = 0;
    for (int i = 0; i < shares.size(); i++) {
      var m = matrices.get(i);
      zeros += Selection.zeros(m.rows(), m.columns(), share(shares.get(i)), Scope.LAYER);
    }
    return zeros;
  }

  /** Densities go as (in + out) / (in out), but for those that would be above 1. */
  @ParameterizedTest
  @ValueSource(doubles = {0, 0.1, 0.5, 0.77, 0.95})
  void erdosRenyiKernelKeepsBySidesAndExactlySoManyOverall(double share) {
    var matrices = given(8, 8, 64, 64, 64, 172, 30, 7);
    var shares = RandomPruning.erk(matrices, share(share));
    long all = matrices.stream().mapToLong(m -> (long) m.rows() * m.columns()).sum();
    assertThat(zeros(matrices, shares)).isEqualTo(Math.round(all * share));
    assertThat(shares).allMatch(s -> s >= 0 && s < 1);
    double epsilon = Double.NaN;
    for (int i = 0; i < shares.size(); i++) {
      var m = matrices.get(i);
      if (shares.get(i) > 0) {
        double each = (1 - shares.get(i)) * m.rows() * m.columns() / (m.rows() + m.columns());
        if (!Double.isNaN(epsilon)) {
          assertThat(each).isCloseTo(epsilon, org.assertj.core.api.Assertions.within(0.1));
        }
        epsilon = each;
      }
    }
    if (share == 0.1) {
      assertThat(shares.getFirst()).isZero();
    }
  }

  @Test
  void randomZerosDependOnSeedAndNameAlone() {
    var half = share(0.5);
    var w = RandomLayers.gaussian(32, 32, 1);
    var zero = new RandomPruning().config(half, FLOATS, Map.of());
    var one = new RandomPruning().config(half, FLOATS, Map.of("seed", 1));
    var mask = ((Sparse) solve(new RandomPruning(), zero, w, LayerStatistics.NONE)).mask();
    assertThat(mask.kept()).isEqualTo(512);
    assertThat(((Sparse) solve(new RandomPruning(), zero, w, LayerStatistics.NONE)).mask())
        .isEqualTo(mask);
    assertThat(((Sparse) solve(new RandomPruning(), one, w, LayerStatistics.NONE)).mask())
        .isNotEqualTo(mask);
    // Of independent draws, half of what one keeps the other keeps too.
    var other = new Layer("another", w);
    var second =
        ((Sparse)
                new RandomPruning()
                    .solve(other, LayerStatistics.NONE, List.of(zero))
                    .getFirst()
                    .weight())
            .mask();
    int both = 0;
    for (int i = 0; i < 1024; i++) {
      both += mask.keeps(i / 32, i % 32) && second.keeps(i / 32, i % 32) ? 1 : 0;
    }
    assertThat(both).isBetween(206, 306);
  }

  /** As if all matrices were one. */
  @ParameterizedTest
  @ValueSource(doubles = {0, 0.25, 0.5, 0.8})
  void globalMagnitudeIsThatOfAllMatricesTogether(double share) {
    var matrices = given(16, 24, 10, 30, 40, 5);
    // One with much smaller weights, and many equal ones at the threshold.
    var small = matrices.get(1).weight().values();
    for (int i = 0; i < small.length; i++) {
      small[i] = i % 3 == 0 ? 0.5f : small[i] / 3;
    }
    var config = new Magnitude.Config(share(share), FLOATS, Scope.GLOBAL);
    var shares = new Magnitude().shares(matrices, share(share), config);
    var all = new float[16 * 24 + 300 + 200];
    int at = 0;
    for (var m : matrices) {
      for (float value : m.weight().values()) {
        all[at++] = Math.abs(value);
      }
    }
    long expected = Math.round(all.length * share);
    assertThat(zeros(matrices, shares)).isEqualTo(expected);
    Arrays.sort(all);
    float threshold = expected == 0 ? 0 : all[(int) expected - 1];
    for (int i = 0; i < 3; i++) {
      long below = 0;
      long upTo = 0;
      for (float value : matrices.get(i).weight().values()) {
        below += Math.abs(value) < threshold ? 1 : 0;
        upTo += Math.abs(value) <= threshold ? 1 : 0;
      }
      long own = zeros(matrices.subList(i, i + 1), shares.subList(i, i + 1));
      assertThat(own).isBetween(below, share == 0 ? 0 : upTo);
    }
  }

  @Test
  void constantKeepsTheZerosThereAre() {
    var w = RandomLayers.gaussian(6, 20, 3);
    for (int at = 0; at < 120; at += 1 + at % 3) {
      w.values()[at] = 0;
    }
    long zeros = 0;
    for (float value : w.values()) {
      zeros += value == 0 ? 1 : 0;
    }
    var method = new Constant();
    var asked = method.config(share(0), FLOATS, Map.of());
    var shares = method.shares(List.of(new Given(w)), share(0), asked);
    var own = method.config(share(shares.getFirst()), FLOATS, Map.of());
    var sparse = (Sparse) solve(method, own, w, LayerStatistics.NONE);
    assertThat(120 - sparse.mask().kept()).isEqualTo(zeros);
    assertThat(sparse.decode().values()).isEqualTo(w.values());

    assertThatThrownBy(
            () -> method.shares(given(4, 4), share(0), method.config(share(0), FLOATS, Map.of())))
        .hasMessageContaining("this one has none");
    var fixed = Sparsity.of(Optional.empty(), Pattern.parse("1:4"));
    assertThatThrownBy(
            () -> solve(method, method.config(fixed, FLOATS, Map.of()), w, LayerStatistics.NONE))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("fewer zeros than 1:4");
  }
}
