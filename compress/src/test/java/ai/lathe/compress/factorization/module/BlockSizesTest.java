package ai.lathe.compress.factorization.module;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.factorization.module.ModeGpt.Modules;
import ai.lathe.model.BlockWidths;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BlockSizesTest {

  private static final int HIDDEN = 576;
  private static final int HEADS = 9;
  private static final int KEYS = 3;
  private static final BlockWidths WHOLE = new BlockWidths(1536, 64, 64);

  private static long weights(BlockWidths widths) {
    long keys = (long) (HEADS + KEYS) * widths.keySize() * HIDDEN;
    long values = (long) (HEADS + KEYS) * widths.valueSize() * HIDDEN;
    return keys + values + 3L * widths.feedForward() * HIDDEN;
  }

  private static BlockSizes sizes(Modules modules) {
    return new BlockSizes(
        WHOLE,
        weights(WHOLE),
        modules.feedForward() ? 3 * HIDDEN : 0,
        modules.attention() ? (HEADS + KEYS) * HIDDEN : 0,
        true);
  }

  @ParameterizedTest
  @CsvSource({
    "ALL, 0.2",
    "ALL, 0.31",
    "ALL, 0.5",
    "ALL, 0",
    "MLP, 0.2",
    "MLP, 0.4",
    "ATTENTION, 0.1",
    "ATTENTION, 0.2"
  })
  void whatIsAskedForGoesAndHardlyMore(Modules modules, double removed) {
    int blocks = 12;
    var sizes = sizes(modules);
    var influence = new Random(3).doubles(blocks, 0, 0.3).toArray();
    var weights = new long[blocks];
    var narrowable = new long[blocks];
    var all = new ArrayList<BlockSizes>();
    for (int b = 0; b < blocks; b++) {
      weights[b] = sizes.weights();
      narrowable[b] = sizes.narrowable();
      all.add(sizes);
    }
    var shares = Allocation.shares(influence, weights, narrowable, removed, 0.3);
    var widths = BlockSizes.widths(all, shares);
    long gone = 0;
    for (int b = 0; b < blocks; b++) {
      var narrow = widths.get(b);
      // Counted anew, and as the sizes count it.
      long here = weights(WHOLE) - weights(narrow);
      assertThat(sizes.removed(narrow)).isEqualTo(here);
      gone += here;
      assertThat(narrow.feedForward() % 32).isZero();
      assertThat(narrow.keySize() % 8).isZero();
      assertThat(narrow.valueSize() % 8).isZero();
      assertThat(modules.feedForward() || narrow.feedForward() == 1536).isTrue();
      assertThat(modules.attention() || narrow.keySize() == 64 && narrow.valueSize() == 64)
          .isTrue();
    }
    double asked = removed * blocks * sizes.weights();
    long step = modules == Modules.ATTENTION ? 2L * 8 * (HEADS + KEYS) * HIDDEN : 32L * 3 * HIDDEN;
    assertThat((double) gone).isBetween(asked - 1e-3, asked + step);
  }

  @Test
  void modulesOfABlockLoseTheSameShare() {
    var narrow = BlockSizes.widths(List.of(sizes(Modules.ALL)), new double[] {0.5}).getFirst();
    assertThat(narrow).isEqualTo(new BlockWidths(768, 32, 32));
  }

  @Test
  void noWidthIsLost() {
    var narrow = BlockSizes.widths(List.of(sizes(Modules.ALL)), new double[] {0.999}).getFirst();
    assertThat(narrow).isEqualTo(new BlockWidths(32, 8, 8));
  }
}
