package ai.lathe.compress.compensation;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.compensation.Compensation.Config;
import ai.lathe.compress.compensation.Compensation.Method;
import ai.lathe.compress.factorization.Factors;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Level;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.SymmetricEigen;
import ai.lathe.tensor.linalg.View;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CompensationTest {

  private static final int IN = 64;
  private static final int OUT = 48;
  private static final Matrix WEIGHT = gaussian(OUT, IN, 1);
  private static final Matrix GRAM = gram();
  private static final LayerStatistics STATISTICS = LayerStatistics.of(4 * IN, GRAM);
  private static final Layer LAYER = new Layer("block.0.linear", WEIGHT);
  private static final Factors EXACT = Factors.plain(DType.F32);

  private static Matrix gram() {
    var x = gaussian(IN, 4 * IN, 2);
    Gemm.add(View.of(x), View.of(gaussian(IN, 8, 3)), View.of(gaussian(8, 4 * IN, 4)));
    var h = Matrix.zeros(IN, IN);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    return h;
  }

  private static Level<?> rtn(int bits) {
    return new Level<>(new Rtn(), new Rtn.Config(grid(bits)));
  }

  private static Level<?> gptq(int bits) {
    return new Level<>(new Gptq(), Gptq.Config.of(grid(bits)));
  }

  private static IntegerGrid grid(int bits) {
    var scheme = new IntegerScheme(bits, 32, true, Activations.NONE);
    return new IntegerGrid(scheme, ScaleSearch.MSE, DType.F16);
  }

  private static LinearWeight solve(Level<?> base, Method method, int rank, Factors factors) {
    var config = new Config(base, method, rank, factors);
    var solutions = new Compensation().solve(LAYER, STATISTICS, List.of(config));
    assertThat(solutions.getFirst().fallbacks()).isEmpty();
    return solutions.getFirst().weight();
  }

  private static double error(LinearWeight weight) {
    return OutputError.relative(WEIGHT, weight, GRAM);
  }

  /** {@code D H D^T}'s eigenvalues, in float64. */
  private static double[] squares(Matrix d) {
    var squares = new double[OUT][OUT];
    for (int i = 0; i < OUT; i++) {
      for (int k = 0; k < IN; k++) {
        double weighted = 0;
        for (int l = 0; l < IN; l++) {
          weighted += (double) d.at(i, l) * GRAM.at(l, k);
        }
        for (int j = 0; j < OUT; j++) {
          squares[i][j] += weighted * d.at(j, k);
        }
      }
    }
    return SymmetricEigen.of(squares).values();
  }

  @Test
  void whatEoraLeavesIsTheSumOfTheSquaresThatWereDropped() {
    for (var base : List.of(rtn(3), gptq(3))) {
      var d = Compensation.residual(WEIGHT, base.solve(LAYER, STATISTICS).weight());
      var squares = squares(d);
      double all = OutputError.energy(WEIGHT, GRAM);
      for (int rank : new int[] {1, 8, 20}) {
        double dropped = 0;
        for (int k = rank; k < OUT; k++) {
          dropped += squares[k];
        }
        double left = error(solve(base, Method.EORA, rank, EXACT)) * all;
        assertThat(left).isCloseTo(dropped, within(2e-3 * dropped));
      }
    }
  }

  @Test
  void eoraLeavesLessThanSvdAndBothLessThanNothing() {
    for (var base : List.of(rtn(4), rtn(2), gptq(3))) {
      double before = error(base.solve(LAYER, STATISTICS).weight());
      for (int rank : new int[] {1, 8, 20}) {
        double eora = error(solve(base, Method.EORA, rank, EXACT));
        double svd = error(solve(base, Method.SVD, rank, EXACT));
        assertThat(eora).isLessThan(svd);
        assertThat(eora).isLessThan(before);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Method.class)
  void theFullRankGivesTheWeightBack(Method method) {
    double error = error(solve(rtn(2), method, OUT, EXACT));
    assertThat(error).isLessThan(1e-9);
  }

  @Test
  void factorsInCodesKeepMostOfTheGain() {
    double before = error(rtn(2).solve(LAYER, STATISTICS).weight());
    double exact = before - error(solve(rtn(2), Method.EORA, 16, EXACT));
    double half = before - error(solve(rtn(2), Method.EORA, 16, Factors.plain(DType.BF16)));
    double codes =
        before - error(solve(rtn(2), Method.EORA, 16, Factors.of(DType.F16, Optional.of(4))));
    assertThat(half).isBetween(0.99 * exact, 1.01 * exact);
    assertThat(codes).isBetween(0.8 * exact, exact);
  }

  /** Scaling a factor's column up and the other's row down changes nothing. */
  @Test
  void factorsAreAsLongAsEachOther() {
    var sum = (Sum) solve(rtn(2), Method.EORA, 4, EXACT);
    var low = (ai.lathe.tensor.Product) sum.parts().getLast();
    var b = low.factors().getFirst().decode();
    var a = low.factors().getLast().decode();
    for (int k = 0; k < 4; k++) {
      double column = 0;
      double row = 0;
      for (int i = 0; i < OUT; i++) {
        column += b.at(i, k) * b.at(i, k);
      }
      for (int j = 0; j < IN; j++) {
        row += a.at(k, j) * a.at(k, j);
      }
      assertThat(row).isCloseTo(column, within(1e-3 * column));
    }
  }

  @Test
  void theEncodingIsThatOfTheResult() {
    for (var factors :
        List.of(Factors.plain(DType.BF16), Factors.of(DType.F16, Optional.of(4)), EXACT)) {
      var base = rtn(3);
      var weight = solve(base, Method.EORA, 16, factors);
      var encoding = Compensation.encoding(grid(3).encoding(), IN, 16, factors);
      assertThat(weight.encoding()).isEqualTo(encoding);
    }
    var encoding = Compensation.encoding(grid(4).encoding(), IN, 16, Factors.plain(DType.F16));
    assertThat(encoding.bytes(OUT, IN))
        .isEqualTo(grid(4).encoding().bytes(OUT, IN) + 2 * 16 * (OUT + IN));
    assertThat(encoding.label()).isEqualTo("int4 g32 + rank 16 F16");
  }

  @Test
  void asksForWhatItNeeds() {
    var compensation = new Compensation();
    assertThat(compensation.requires(new Config(rtn(4), Method.SVD, 4, EXACT))).isEmpty();
    assertThat(compensation.requires(new Config(rtn(4), Method.EORA, 4, EXACT)))
        .containsExactly(Statistic.GRAM);
    assertThat(compensation.requires(new Config(gptq(4), Method.SVD, 4, EXACT)))
        .containsExactly(Statistic.GRAM);
    assertThat(new Config(gptq(4), Method.SVD, 4, EXACT).ordersColumns()).isTrue();
  }

  @Test
  void withoutInputsItSaysWhatItDidInstead() {
    var config = new Config(rtn(3), Method.EORA, 4, EXACT);
    var solution =
        new Compensation().solve(LAYER, LayerStatistics.NONE, List.of(config)).getFirst();
    assertThat(solution.fallbacks())
        .containsExactly("nothing is known of its inputs: compensated by svd instead of eora");
    assertThat(error(solution.weight())).isEqualTo(error(solve(rtn(3), Method.SVD, 4, EXACT)));
  }

  @Test
  void saysWhatIsWrong() {
    assertThat(Compensation.refusal(48, 64, 48)).isEmpty();
    assertThat(Compensation.refusal(48, 64, 49))
        .contains("a 48 x 64 matrix has a rank of 48 at most, not 49");
    assertThatThrownBy(() -> new Config(rtn(4), Method.SVD, 0, EXACT))
        .isInstanceOf(LatheException.class)
        .hasMessage("a rank is at least 1 (32 is usual), not 0");
    assertThatThrownBy(() -> Method.named("eoro"))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("eora");
    assertThatThrownBy(() -> Factors.of(DType.F16, Optional.of(1)))
        .isInstanceOf(LatheException.class)
        .hasMessage("adapter_bits are from 2 to 8 (4 is usual; without it factors are F16), not 1");
  }
}
