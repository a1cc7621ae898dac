package ai.lathe.runtime.execution;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import ai.lathe.model.Address;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Experts;
import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.model.architecture.Role;
import ai.lathe.runtime.kernel.RowMath;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A mixture of experts: each token goes through the few of highest score, whose outputs are
 * weighted by the softmax of the scores. Experts are taken in ascending order, each with all its
 * tokens at once.
 *
 * @see <a href="https://arxiv.org/abs/2401.04088">Jiang et al., Mixtral of Experts, 2024</a>
 */
final class Mixture {

  private final Experts experts;
  private final int hidden;
  private final Activation activation;
  private final RowMath math;
  private final Products products;
  private final Linear[] gates;
  private final Linear[] ups;
  private final Linear[] downs;
  private final boolean[] taken;
  private int[] chosen = new int[0];
  private float[] weights = new float[0];
  private int[] tokensOfExpert = new int[0];

  Mixture(int block, ModelConfig config, Loader loader, Products products) {
    experts = config.experts().orElseThrow();
    hidden = config.hidden();
    activation = config.arithmetic().activation();
    math = loader.kernels().rows();
    this.products = products;
    gates = linears(block, Role.EXPERT_GATE, loader);
    ups = linears(block, Role.EXPERT_UP, loader);
    downs = linears(block, Role.EXPERT_DOWN, loader);
    taken = new boolean[experts.count()];
  }

  private Linear[] linears(int block, Role role, Loader loader) {
    var linears = new Linear[experts.count()];
    for (int expert = 0; expert < linears.length; expert++) {
      linears[expert] = loader.linear(Address.weight(block, expert, role));
    }
    return linears;
  }

  /**
   * From {@code x [tokens, hidden]} and the router's scores to {@link Buffers#result}. The block's
   * other buffers hold an expert's part of it.
   */
  void forward(MemorySegment x, Buffers buffers, int tokens) {
    route(buffers.scores, tokens);
    buffers.result.asSlice(0, (long) tokens * hidden * Float.BYTES).fill((byte) 0);
    for (int expert = 0; expert < experts.count(); expert++) {
      int count = tokensOf(expert, tokens);
      if (count > 0) {
        run(expert, count, x, buffers);
      }
    }
  }

  private void run(int expert, int count, MemorySegment x, Buffers buffers) {
    for (int i = 0; i < count; i++) {
      copyRow(x, tokensOfExpert[i] / experts.perToken(), buffers.gathered, i);
    }
    int width = experts.feedForward();
    buffers.gatheredInput.set(buffers.gathered, count, hidden);
    products
        .of(buffers.gatheredInput)
        .with(gates[expert], buffers.inner)
        .with(ups[expert], buffers.up)
        .run();
    for (int i = 0; i < count; i++) {
      long at = (long) i * width;
      math.gate(activation, buffers.inner, at, buffers.up, at, width);
    }
    buffers.innerInput.set(buffers.inner, count, width);
    products.of(buffers.innerInput).with(downs[expert], buffers.gathered).run();
    for (int i = 0; i < count; i++) {
      int choice = tokensOfExpert[i];
      long to = (long) (choice / experts.perToken()) * hidden;
      math.addScaled(
          buffers.result, to, weights[choice], buffers.gathered, (long) i * hidden, hidden);
    }
  }

  private void copyRow(MemorySegment from, int row, MemorySegment to, int toRow) {
    long bytes = (long) hidden * Float.BYTES;
    MemorySegment.copy(from, row * bytes, to, toRow * bytes, bytes);
  }

  /** Choices (token times experts a token, plus rank) that fell on an expert; how many. */
  private int tokensOf(int expert, int tokens) {
    int count = 0;
    for (int choice = 0; choice < tokens * experts.perToken(); choice++) {
      if (chosen[choice] == expert) {
        tokensOfExpert[count++] = choice;
      }
    }
    return count;
  }

  private void route(MemorySegment scores, int tokens) {
    int choices = tokens * experts.perToken();
    if (chosen.length < choices) {
      chosen = new int[choices];
      weights = new float[choices];
      tokensOfExpert = new int[choices];
    }
    for (int t = 0; t < tokens; t++) {
      long at = (long) t * experts.count();
      math.softmax(scores, at, experts.count());
      Arrays.fill(taken, false);
      float sum = 0;
      int first = t * experts.perToken();
      for (int rank = 0; rank < experts.perToken(); rank++) {
        int best = best(scores, at);
        taken[best] = true;
        chosen[first + rank] = best;
        weights[first + rank] = scores.getAtIndex(JAVA_FLOAT, at + best);
        sum += weights[first + rank];
      }
      for (int i = first; experts.normalized() && i < first + experts.perToken(); i++) {
        weights[i] /= sum;
      }
    }
  }

  private int best(MemorySegment scores, long at) {
    int best = -1;
    for (int expert = 0; expert < experts.count(); expert++) {
      if (!taken[expert]
          && (best < 0
              || scores.getAtIndex(JAVA_FLOAT, at + expert)
                  > scores.getAtIndex(JAVA_FLOAT, at + best))) {
        best = expert;
      }
    }
    return best;
  }
}
