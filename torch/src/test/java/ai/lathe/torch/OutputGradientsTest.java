package ai.lathe.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.gradient.Gradients;
import ai.lathe.torch.gradient.Loss;
import ai.lathe.torch.gradient.OutputGradients;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OutputGradientsTest {

  @TempDir static Path folder;

  @BeforeAll
  static void oneThread() {
    Torch.threads(1);
  }

  private static Map<Address, float[]> squares(
      TinyModel model, List<int[]> sequences, int batchTokens, long memory) {
    return OutputGradients.of(model, sequences, 5, batchTokens, memory, folder, Progress.NONE);
  }

  /**
   * A weight's gradient is {@code g x^T} where one token alone is told, so that a row's squares are
   * {@code g_i^2 |x|^2}: in one proportion to the outputs' own in all rows.
   */
  @ParameterizedTest
  @ValueSource(strings = {"llama", "gemma2", "qwen3_moe"})
  void agreeWithThoseByWeights(String type) {
    var model = TinyModel.random(type, OptionalInt.empty(), 2);
    var sequence = List.of(new int[] {3, 1});
    var squares = squares(model, sequence, 64, 1 << 20);
    var matrices =
        squares.keySet().stream()
            // One token attends to itself alone, whatever its query and key; a router's choice is
            // seen in its weights only.
            .filter(
                address ->
                    address.role() != Role.QUERY
                        && address.role() != Role.KEY
                        && address.role() != Role.ROUTER)
            .toList();
    assertThat(matrices).hasSizeGreaterThanOrEqualTo(10);
    try (var gradients = new Gradients(model, new Loss.OwnToken(5))) {
      gradients.of(
          sequence,
          0,
          matrices,
          (index, values) -> {
            var own = squares.get(matrices.get(index));
            var weights = values.toArray(ValueLayout.JAVA_FLOAT);
            int columns = weights.length / own.length;
            var rows = new double[own.length];
            double sum = 0;
            double total = 0;
            for (int i = 0; i < rows.length; i++) {
              for (int j = 0; j < columns; j++) {
                rows[i] += weights[i * columns + j] * weights[i * columns + j];
              }
              sum += own[i];
              total += rows[i];
            }
            for (int i = 0; i < rows.length; i++) {
              assertThat(own[i] / sum)
                  .as("%s %d", matrices.get(index), i)
                  .isCloseTo(rows[i] / total, within(1e-3));
            }
          });
    }
  }

  @Test
  void batchesAndFilesChangeNothing() {
    var model = TinyModel.random("llama", OptionalInt.empty(), 2);
    var sequences = List.of(new int[] {3, 1, 4, 1, 5, 9}, new int[] {2, 6, 5}, new int[] {3, 5, 8});
    var together = squares(model, sequences, 64, 1 << 20);
    var apart = squares(model, sequences, 1, 0);
    together.forEach(
        (address, values) -> {
          for (int i = 0; i < values.length; i++) {
            assertThat(apart.get(address)[i])
                .isCloseTo(values[i], within(1e-4f * values[i] + 1e-9f));
          }
        });
  }

  /**
   * Half the sum of {@code G_ii e^2} is the divergence that a small {@code e} at each output causes
   * alone. What the last layer gives is added to the state that the head reads.
   */
  @Test
  void tellTheDivergence() {
    var model = TinyModel.random("llama", OptionalInt.empty(), 2);
    int[] tokens = {3, 1};
    var squares = squares(model, Collections.nCopies(1500, tokens), 1024, 1 << 24);
    var estimate = squares.get(Address.weight(1, Role.DOWN));
    double step = 0.03;
    double exact = 0;
    double estimated = 0;
    try (var _ = new PointerScope();
        var _ = new NoGradGuard();
        var embedding = TorchEmbedding.load(model);
        var first = TorchBlock.load(model, 0);
        var second = TorchBlock.load(model, 1);
        var head = TorchHead.load(model, Precision.FLOAT32)) {
      var embedded = embedding.forward(new int[][] {tokens});
      var state = second.forward(first.forward(embedded, null, null), null, null);
      var hidden = state.select(0, 0).select(0, 0);
      var original = logProbabilities(head, hidden);
      for (int i = 0; i < estimate.length; i++) {
        for (int sign = -1; sign <= 1; sign += 2) {
          var shift = new float[estimate.length];
          shift[i] = (float) (sign * step);
          var moved = hidden.add(Torch.ofFloats(shift, shift.length));
          exact += divergence(original, logProbabilities(head, moved)) / 2;
        }
        // The second token follows nothing, and is counted in the mean.
        estimated += 2 * estimate[i] * step * step / 2;
      }
    }
    assertThat(estimated).isCloseTo(exact, within(0.06 * exact));
  }

  private static double[] logProbabilities(TorchHead head, org.bytedeco.pytorch.Tensor state) {
    var logits = Torch.floats(head.logits(head.input(state.unsqueeze(0))));
    var result = new double[logits.length];
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit);
    }
    for (int i = 0; i < result.length; i++) {
      result[i] = logits[i] - Math.log(sum);
    }
    return result;
  }

  private static double divergence(double[] p, double[] q) {
    double sum = 0;
    for (int i = 0; i < p.length; i++) {
      sum += Math.exp(p[i]) * (p[i] - q[i]);
    }
    return sum;
  }
}
