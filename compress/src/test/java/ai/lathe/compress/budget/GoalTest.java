package ai.lathe.compress.budget;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.allocation.Budget;
import ai.lathe.compress.allocation.Budget.Phase;
import ai.lathe.tensor.LatheException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GoalTest {

  @ParameterizedTest
  @CsvSource({
    "480MB,480000000",
    "1.2 GB,1200000000",
    "512MiB,536870912",
    "1234,1234",
    "7B,7",
    "2.5kB,2500"
  })
  void sizesAreTakenInAnyUnit(String text, long bytes) {
    assertThat(Goal.size(text).budget()).isEqualTo(new Budget.Size(bytes));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "MB", "-3MB", "480 megabytes", "1e9", "0", "99999999999TB"})
  void whatIsNoSizeIsRefused(String text) {
    assertThatThrownBy(() -> Goal.size(text)).isInstanceOf(LatheException.class);
  }

  @Test
  void theReachableRangeIsToldInTheUsersUnitAndCanBeHad() {
    assertThat(Goal.size("1MB").unreachable("levels", 1_196_426, 5_281_219))
        .hasMessage("1 MB cannot be reached: the levels of levels go from 1.197 MB to 5.281 MB");
    assertThat(Goal.size("1MiB").unreachable("levels", 1_196_426, 5_281_219))
        .hasMessage("1 MiB cannot be reached: the levels of levels go from 1.142 MiB to 5.036 MiB");
    assertThat(Goal.size("1000").unreachable("levels", 1_196_426, 5_281_219))
        .hasMessageContaining("from 1196426 bytes to 5281219 bytes");
    assertThat(Goal.bitsPerWeight(1.5).unreachable("levels", 2.1278, 16))
        .hasMessageContaining("from 2.1278 bits per weight to 16 bits per weight");
    assertThat(Goal.acceptance(0.999).unreachable("levels", 0.9912345, 0.8))
        .hasMessageContaining("from EAR 0.99124 to EAR 0.8");
  }

  @ParameterizedTest
  @CsvSource({"2,2", "1.5x,1.5", "3X,3"})
  void speedupsMayEndInAnX(String text, double factor) {
    assertThat(Goal.speedup(text, Phase.PREFILL).budget())
        .isEqualTo(new Budget.Speedup(factor, Phase.PREFILL));
  }

  @Test
  void numbersThatNoTargetHasAreRefused() {
    assertThatThrownBy(() -> Goal.acceptance(1)).isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> Goal.divergence(0)).isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> Goal.perplexityRatio(0.98)).isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> Goal.bitsPerWeight(Double.NaN)).isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> Goal.speedup("fast", Phase.DECODE)).isInstanceOf(LatheException.class);
  }
}
