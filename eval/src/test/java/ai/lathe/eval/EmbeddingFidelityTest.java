package ai.lathe.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.model.Encoder;
import ai.lathe.model.Pooling;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

class EmbeddingFidelityTest {

  /** A token's state is a function of it alone. */
  record ScriptedEncoder(int hiddenSize, Function<Integer, float[]> state, List<Integer> batches)
      implements Encoder {

    @Override
    public int contextLength() {
      return 100;
    }

    @Override
    public List<Matrix> encode(List<int[]> sequences) {
      batches.add(sequences.size());
      return sequences.stream().map(this::encode).toList();
    }

    private Matrix encode(int[] tokens) {
      var hidden = Matrix.zeros(tokens.length, hiddenSize);
      for (int i = 0; i < tokens.length; i++) {
        System.arraycopy(state.apply(tokens[i]), 0, hidden.values(), i * hiddenSize, hiddenSize);
      }
      return hidden;
    }

    @Override
    public void close() {}
  }

  @Test
  void ofAnEncoderWithItselfIsOne() {
    var encoder = encoder(2, t -> new float[] {t + 1, 2 - t});
    var result = measure(encoder, encoder, texts(), Pooling.MEAN);
    assertThat(result.cosine()).isCloseTo(1, within(1e-15));
    assertThat(result.cosineMin()).isCloseTo(1, within(1e-15));
    assertThat(result.texts()).isEqualTo(3);
    assertThat(result.tokens()).isEqualTo(6);
  }

  /** Texts [3], [1, 2], [0, 1, 1]: means of (1, t) against (1, 0). */
  @Test
  void byHand() {
    var model = encoder(2, t -> new float[] {1, t});
    var reference = encoder(2, t -> new float[] {1, 0});
    var mean = measure(model, reference, texts(), Pooling.MEAN);
    double[] cosines = {
      1 / Math.sqrt(10), 1 / Math.sqrt(1 + 1.5 * 1.5), 1 / Math.sqrt(1 + 4 / 9.0)
    };
    assertThat(mean.cosine()).isCloseTo((cosines[0] + cosines[1] + cosines[2]) / 3, within(1e-15));
    assertThat(mean.cosineMin()).isCloseTo(cosines[0], within(1e-15));
    var cls = measure(model, reference, texts(), Pooling.CLS);
    assertThat(cls.cosine())
        .isCloseTo((1 / Math.sqrt(10) + 1 / Math.sqrt(2) + 1) / 3, within(1e-15));
  }

  /** Embeddings come back in the order of the texts, whatever the batches. */
  @Test
  void batchesAreBoundedAndTheOrderIsKept() {
    var sequences = new ArrayList<int[]>();
    for (int i = 0; i < 700; i++) {
      var tokens = new int[1 + i * 37 % 100];
      tokens[0] = i;
      sequences.add(tokens);
    }
    var encoder = encoder(2, t -> new float[] {(float) Math.cos(t), (float) Math.sin(t)});
    var embeddings = Embeddings.of(encoder, "model", sequences, Pooling.CLS, Progress.Task.SILENT);
    for (int i = 0; i < 700; i++) {
      assertThat(embeddings[i][0]).isCloseTo(Math.cos(i), within(1e-6));
    }
    assertThat(encoder.batches()).hasSizeGreaterThan(4);
    assertThat(encoder.batches().stream().mapToInt(n -> n).sum()).isEqualTo(700);
    assertThat(encoder.batches().getLast()).isLessThanOrEqualTo(8192 / 99);
  }

  @Test
  void refusals() {
    var two = encoder(2, t -> new float[] {1, t});
    var three = encoder(3, t -> new float[3]);
    assertRefused(
        () -> measure(two, three, texts(), Pooling.MEAN), "2 features and the reference's 3");
    assertRefused(() -> measure(two, two, List.of(), Pooling.MEAN), "no texts");
    assertRefused(
        () -> measure(two, two, List.of(new int[101]), Pooling.MEAN), "at most 100 tokens at once");
    assertRefused(
        () -> measure(two, two, List.of(new int[1], new int[0]), Pooling.MEAN),
        "text 1 has no tokens");
    var broken = encoder(2, t -> new float[] {t == 2 ? Float.NaN : 1, 1});
    assertRefused(
        () -> measure(broken, two, texts(), Pooling.MEAN),
        "the model's embedding of text 1 is not finite");
    assertRefused(
        () -> measure(two, broken, texts(), Pooling.MEAN),
        "the reference's embedding of text 1 is not finite");
    var late = encoder(2, t -> new float[] {1, t == 2 ? Float.NaN : 1});
    assertRefused(
        () -> measure(late, two, texts(), Pooling.MEAN),
        "the model's embedding of text 1 is not finite");
    var zero = encoder(2, t -> new float[2]);
    assertRefused(() -> measure(zero, two, texts(), Pooling.MEAN), "embedding of text 0");
  }

  private static void assertRefused(Runnable action, String message) {
    assertThatThrownBy(action::run)
        .isInstanceOf(LatheException.class)
        .hasMessageContaining(message);
  }

  private static List<int[]> texts() {
    return List.of(new int[] {3}, new int[] {1, 2}, new int[] {0, 1, 1});
  }

  static ScriptedEncoder encoder(int hidden, Function<Integer, float[]> state) {
    return new ScriptedEncoder(hidden, state, new ArrayList<>());
  }

  private static EmbeddingFidelity.Result measure(
      Encoder model, Encoder reference, List<int[]> sequences, Pooling pooling) {
    return EmbeddingFidelity.measure(model, reference, sequences, pooling, Progress.NONE);
  }
}
