package ai.lathe.compress.factorization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import ai.lathe.tensor.linalg.View;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** How often something is decomposed, for layers that read the same inputs. */
class WhiteningTest {

  private static final int IN = 12;
  private static final int TOKENS = 60;
  private static final Factors EXACT = Factors.plain(DType.F32);

  private final LayerStatistics inputs = inputs();
  private final Layer gate = new Layer("gate", gaussian(20, IN, 1));
  private final Layer up = new Layer("up", gaussian(20, IN, 2));
  private final Layer narrow = new Layer("key", gaussian(10, IN, 3));

  /** Counts, and computes as the real one does. */
  private static final class Counted extends Whitening {
    private int decompositions;
    private int roots;

    Counted(Matrix gram) {
      super(new Metric.Full(gram));
    }

    @Override
    Spectrum decompose(Matrix weight) {
      decompositions++;
      return super.decompose(weight);
    }

    @Override
    double[] factor(Matrix gram) {
      roots++;
      return super.factor(gram);
    }
  }

  private static LayerStatistics inputs() {
    var x = gaussian(IN, TOKENS, 4);
    var h = Matrix.zeros(IN, IN);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    return new LayerStatistics(
        TOKENS,
        Optional.of(h),
        Optional.of(LayerStatistics.diagonal(h)),
        Optional.empty(),
        Optional.empty(),
        Optional.of(new float[IN]));
  }

  /** Takes the place of what solvers would find beside these statistics. */
  private static Counted counted(LayerStatistics statistics) {
    return (Counted)
        statistics
            .derived()
            .get(Whitening.class, () -> new Counted(statistics.gram().orElseThrow()));
  }

  private void solve(String method, Layer layer) {
    solve(Factorizations.named(method), layer);
  }

  private <C extends SolverConfig> void solve(FactorizationMethod<C> method, Layer layer) {
    var levels =
        List.of(
            method.config(new Removal(0.2), EXACT, Map.of()),
            method.config(new Removal(0.4), EXACT, Map.of()));
    assertThat(method.solve(layer, inputs, levels)).hasSize(2);
  }

  @Test
  void matricesThatReadTheSameInputsShareTheRootOfTheirGramMatrix() {
    var counted = counted(inputs.damped(1));
    for (var layer : List.of(gate, up, narrow)) {
      solve("svd-llm", layer);
    }
    // A matrix of fewer outputs than inputs needs no root.
    assertThat(counted.roots).isEqualTo(1);
    assertThat(counted.decompositions).isEqualTo(3);
  }

  @Test
  void methodsAndLevelsOfAMatrixShareItsDecomposition() {
    var counted = counted(inputs.damped(1));
    for (var layer : List.of(gate, up)) {
      for (var method : List.of("svd-llm", "rocket", "cospadi")) {
        solve(method, layer);
      }
      new Rocket().profile(layer, inputs);
    }
    assertThat(counted.decompositions).isEqualTo(2);
    assertThat(counted.roots).isEqualTo(1);
  }

  @Test
  void inputsWithoutTheirMeanAreSharedLikewise() {
    var plain = counted(inputs.damped(1));
    var centred = counted(inputs.centred().orElseThrow().damped(1));
    solve("lord", gate);
    solve("lord", up);
    assertThat(plain.decompositions).isZero();
    assertThat(centred.decompositions).isEqualTo(2);
    assertThat(centred.roots).isEqualTo(1);
  }

  @Test
  void whatIsSharedIsWhatEachWouldComputeAlone() {
    var shared = Whitening.of(new Metric.Full(inputs.gram().orElseThrow()), inputs);
    for (var layer : List.of(gate, up)) {
      var alone = Spectrum.of(layer.weight(), new Metric.Full(inputs.gram().orElseThrow()));
      var one = shared.spectrum(layer.weight());
      assertThat(one.s()).isEqualTo(alone.s());
      assertThat(one.right().values()).isEqualTo(alone.right().values());
      assertThat(shared.spectrum(layer.weight())).isSameAs(one);
    }
    // Errors that count otherwise than by the inputs' own Gram matrix have nothing to share.
    assertThat(Whitening.of(Metric.PLAIN, inputs)).isNotSameAs(shared);
    var other = new Metric.Full(inputs.damped(1).gram().orElseThrow());
    assertThat(Whitening.of(other, inputs)).isNotSameAs(shared);
    assertThat(Whitening.of(Metric.PLAIN, LayerStatistics.NONE))
        .isNotSameAs(Whitening.of(Metric.PLAIN, LayerStatistics.NONE));
  }
}
