package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Progress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** How texts are shared out among threads does not show in what becomes of them. */
class RuntimeEncoderTest {

  private static final Path MODEL = Path.of("../torch/src/test/resources/golden/bert");

  @Test
  void aTextAmongOthersIsTheTextAlone() {
    try (var checkpoint = Checkpoints.open(MODEL);
        var workers = new Workers(3);
        var encoder =
            RuntimeEncoder.load(checkpoint, new VectorProvider(), workers, Progress.NONE)) {
      var random = new SplittableRandom(3);
      var texts = new ArrayList<int[]>();
      for (int i = 0; i < 40; i++) {
        int length = 1 + random.nextInt(checkpoint.config().context());
        texts.add(random.ints(length, 0, checkpoint.config().vocabulary()).toArray());
      }
      for (int count : new int[] {1, 2, 3, 5, 40}) {
        var together = encoder.encode(texts.subList(0, count));
        for (int i = 0; i < count; i++) {
          assertClose(together.get(i), encoder.encode(List.of(texts.get(i))).getFirst());
        }
      }
    }
  }

  private static void assertClose(Matrix actual, Matrix expected) {
    assertThat(actual.rows()).isEqualTo(expected.rows());
    for (int i = 0; i < expected.values().length; i++) {
      assertThat(actual.values()[i]).isCloseTo(expected.values()[i], within(2e-5f));
    }
  }

  @Test
  void aBadTextIsRefusedAndTheEncoderGoesOn() {
    try (var checkpoint = Checkpoints.open(MODEL);
        var workers = new Workers(2);
        var encoder =
            RuntimeEncoder.load(checkpoint, new VectorProvider(), workers, Progress.NONE)) {
      var good = new int[] {1, 2, 3};
      var foreign = new int[] {1, checkpoint.config().vocabulary(), 3};
      for (int i = 0; i < 5; i++) {
        assertThatThrownBy(() -> encoder.encode(List.of(good, foreign, good, good)))
            .isInstanceOf(LatheException.class)
            .hasMessageContaining("not in the vocabulary");
      }
      assertThatThrownBy(() -> encoder.encode(List.of(good, new int[0])))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("no tokens");
      assertThat(encoder.encode(List.of(good, good, good, good))).hasSize(4);
    }
  }
}
