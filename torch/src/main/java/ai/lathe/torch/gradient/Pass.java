package ai.lathe.torch.gradient;

import ai.lathe.model.Pooling;
import ai.lathe.torch.Torch;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/** One mini-batch on its way through a model, as a {@link Loss} sees it. */
public final class Pass {

  private final DifferentiableModel model;
  private final DifferentiableModel teacher;
  private final int[][] tokens;
  private final int[] lengths;
  private final long number;

  /**
   * @param teacher null where the loss has none
   * @param number of the mini-batch, for losses that draw
   */
  Pass(DifferentiableModel model, DifferentiableModel teacher, List<int[]> batch, long number) {
    this.model = model;
    this.teacher = teacher;
    this.number = number;
    int longest = batch.stream().mapToInt(sequence -> sequence.length).max().orElse(0);
    tokens = batch.stream().map(s -> Arrays.copyOf(s, longest)).toArray(int[][]::new);
    lengths = batch.stream().mapToInt(sequence -> sequence.length).toArray();
  }

  long number() {
    return number;
  }

  private int longest() {
    return tokens[0].length;
  }

  /** {@code [batch, tokens]}, a number for each real token and 0 for padding. */
  private Tensor perToken(java.util.function.IntToDoubleFunction ofLength) {
    var values = new float[lengths.length * longest()];
    for (int row = 0; row < lengths.length; row++) {
      int at = row * longest();
      Arrays.fill(values, at, at + lengths[row], (float) ofLength.applyAsDouble(lengths[row]));
    }
    return Torch.ofFloats(values, lengths.length, longest());
  }

  /** 1 for real tokens; null where all are. */
  private Tensor padding() {
    return Arrays.stream(lengths).allMatch(length -> length == longest()) ? null : perToken(_ -> 1);
  }

  /** {@code [batch, tokens, vocabulary]}; the last token of each row predicts nothing. */
  Tensor logits() {
    return model.logits(model.states(tokens, padding()));
  }

  /** The teacher's, without gradients. */
  Tensor teacherLogits() {
    return teacher.logits(teacher.states(tokens, padding())).detach();
  }

  /** {@code [batch, tokens]}: what follows each token; {@link Loss#IGNORED} where nothing does. */
  Tensor followers() {
    var shifted = new int[tokens.length][longest()];
    for (int row = 0; row < tokens.length; row++) {
      Arrays.fill(shifted[row], Loss.IGNORED);
      System.arraycopy(tokens[row], 1, shifted[row], 0, lengths[row] - 1);
    }
    return Torch.ofTokens(shifted);
  }

  /** {@code [batch, hidden]}, each of length 1, pooled as the model's own are. */
  Tensor embedding() {
    var states = model.states(tokens, padding());
    var pooled =
        model.pooling() == Pooling.CLS
            ? states.select(1, 0)
            : states.mul(perToken(length -> 1.0 / length).unsqueeze(2)).sum(1);
    var norm = pooled.square().sum(new long[] {-1}, true, null).sqrt();
    return pooled.div(norm.add(new Scalar(1e-12)));
  }

  /** {@code [batch, tokens, hidden]}, over the root of a text's tokens; 0 for padding. */
  Tensor weightedStates() {
    var states = model.states(tokens, padding());
    return states.mul(perToken(length -> 1 / Math.sqrt(length)).unsqueeze(2));
  }
}
