package ai.lathe.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TorchModelTest {

  /** Small products gain nothing from threads, and lose much where the machine is busy. */
  @BeforeAll
  static void oneThread() {
    Torch.threads(1);
  }

  private static final int[] TOKENS = {3, 1, 4, 1, 5, 9, 2, 6, 5};

  private final TinyModel llama = TinyModel.random("llama", OptionalInt.empty(), 2);
  private final TinyModel bert = TinyModel.random("bert", OptionalInt.empty(), 2);

  @ParameterizedTest
  @EnumSource(Precision.class)
  void streamedBlocksGiveTheBitsOfHeldOnes(Precision precision) {
    long oneBlock = 1000L * precision.bytes();
    var held = logits(TorchModel.of(llama, precision, TorchModel.ALL_BLOCKS));
    assertThat(logits(TorchModel.of(llama, precision, oneBlock))).isEqualTo(held);
    assertThat(logits(TorchModel.of(llama, precision, 0))).isEqualTo(held);
  }

  @Test
  void bfloat16IsCloseToFloat32() {
    var exact = logits(TorchModel.of(llama));
    var rounded = logits(TorchModel.of(llama, Precision.BFLOAT16, TorchModel.ALL_BLOCKS));
    double error = 0;
    double norm = 0;
    for (int i = 0; i < exact.length; i++) {
      error += Math.pow(rounded[i] - exact[i], 2);
      norm += Math.pow(exact[i], 2);
    }
    assertThat(Math.sqrt(error / norm)).isBetween(1e-5, 2e-2);
  }

  @Test
  void rowsAreThoseOfTheWhole() {
    try (var model = TorchModel.of(llama);
        var logits = model.forward(TOKENS)) {
      int vocabulary = model.vocabularySize();
      assertThat(logits.positions()).isEqualTo(TOKENS.length);
      var all = new float[TOKENS.length * vocabulary];
      logits.rows(0, TOKENS.length, all);
      var some = new float[2 * vocabulary];
      logits.rows(4, 6, some);
      for (int i = 0; i < some.length; i++) {
        assertThat(some[i]).isCloseTo(all[4 * vocabulary + i], within(1e-6f));
      }
    }
  }

  @Test
  void whatCannotRunSaysWhy() {
    try (var model = TorchModel.of(llama)) {
      assertThatThrownBy(() -> model.forward(new int[17]))
          .isInstanceOf(LatheException.class)
          .hasMessage("a sequence has 17 tokens; the model takes 16");
      assertThatThrownBy(() -> model.forward(new int[] {30}))
          .isInstanceOf(LatheException.class)
          .hasMessage("token 30 is not in the vocabulary of 30");
      assertThatThrownBy(() -> model.forward(new int[0])).isInstanceOf(LatheException.class);
    }
    assertThatThrownBy(() -> TorchModel.of(bert)).isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> TorchEncoder.of(llama)).isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> TorchBlock.load(llama, 2))
        .hasMessage("there is no block 2; the model has 2, from 0");
    assertThatThrownBy(() -> Torch.threads(0)).isInstanceOf(LatheException.class);
  }

  @Test
  void sequencesOfABatchDoNotTouchEachOther() {
    var sequences =
        List.of(new int[] {7, 8, 9, 1, 2}, new int[] {4}, new int[] {5, 6, 7, 8, 9, 10, 11});
    try (var encoder = TorchEncoder.of(bert)) {
      var together = encoder.encode(sequences);
      for (int i = 0; i < sequences.size(); i++) {
        var alone = encoder.encode(List.of(sequences.get(i))).getFirst();
        assertThat(together.get(i).rows()).isEqualTo(sequences.get(i).length);
        for (int j = 0; j < alone.values().length; j++) {
          assertThat(together.get(i).values()[j]).isCloseTo(alone.values()[j], within(5e-6f));
        }
      }
    }
  }

  private static float[] logits(TorchModel model) {
    try (model;
        var logits = model.forward(Arrays.copyOf(TOKENS, TOKENS.length))) {
      var values = new float[TOKENS.length * model.vocabularySize()];
      logits.rows(0, TOKENS.length, values);
      return values;
    }
  }
}
