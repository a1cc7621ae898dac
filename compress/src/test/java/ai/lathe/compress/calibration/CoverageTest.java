package ai.lathe.compress.calibration;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.Matrix;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CoverageTest {

  private static final Set<Statistic> GRAM = Set.of(Statistic.GRAM);

  @Test
  void anExpertWithoutTokensGetsTheIdentityAndIsNamed() {
    var coverage = Coverage.of(expert(), 2, GRAM, LayerStatistics.NONE);
    assertThat(coverage.statistics().gram().orElseThrow().values()).containsExactly(1, 0, 0, 1);
    assertThat(coverage.statistics().squaredNorm().orElseThrow()).containsExactly(1, 1);
    assertThat(coverage.statistics().tokens()).isZero();
    assertThat(coverage.note())
        .contains("expert 3 of block 2 saw no calibration token: rounded to nearest");
  }

  @Test
  void anExpertWithFewTokensKeepsThemAndIsNamed() {
    var seen = LayerStatistics.of(5, Matrix.zeros(8, 8));
    var coverage = Coverage.of(expert(), 8, GRAM, seen);
    assertThat(coverage.statistics()).isSameAs(seen);
    assertThat(coverage.note())
        .contains(
            "expert 3 of block 2 saw 5 calibration tokens for 8 inputs, too few to tell them all"
                + " apart");
    assertThat(Coverage.of(expert(), 5, GRAM, seen).note()).isEmpty();
  }

  @Test
  void onlyExpertsThatNeedStatisticsAreJudged() {
    var none = LayerStatistics.NONE;
    assertThat(Coverage.of(Address.weight(2, Role.UP), 8, GRAM, none))
        .isEqualTo(new Coverage(none, java.util.Optional.empty()));
    assertThat(Coverage.of(expert(), 8, Set.of(), none).note()).isEmpty();
  }

  private static Address expert() {
    return Address.weight(2, 3, Role.EXPERT_UP);
  }
}
