package ai.lathe.torch.gradient;

import ai.lathe.model.Masking;
import ai.lathe.model.Pooling;
import ai.lathe.tensor.LatheException;
import ai.lathe.torch.Torch;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/** One mini-batch on its way through a model, as a {@link Loss} sees it. */
public final class Pass {

  private final DifferentiableModel model;
  private final DifferentiableModel teacher;
  private final int[][] tokens;
  private final int[] lengths;
  private final long number;
  private final int[][] labels;

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
    labels = null;
  }

  private Pass(Pass other, int[][] tokens, int[][] labels) {
    model = other.model;
    teacher = other.teacher;
    number = other.number;
    lengths = other.lengths;
    this.tokens = tokens;
    this.labels = labels;
  }

  /** The same texts with some of their tokens hidden, which are to be predicted. */
  Pass masked(Masking masking, long seed) {
    var random = new SplittableRandom(seed + number);
    var seen = new int[tokens.length][];
    var hidden = new int[tokens.length][];
    int count = 0;
    for (int row = 0; row < tokens.length; row++) {
      var text = masking.corrupt(Arrays.copyOf(tokens[row], lengths[row]), random);
      count += text.hidden();
      seen[row] = Arrays.copyOf(text.tokens(), longest());
      hidden[row] = Arrays.copyOf(text.labels(), longest());
      Arrays.fill(hidden[row], lengths[row], longest(), Masking.UNLABELLED);
    }
    if (count == 0) {
      throw new LatheException(
          "the texts of mini-batch %d hold special tokens alone, none of which can be masked"
              .formatted(number));
    }
    return new Pass(this, seen, hidden);
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

  /** {@code [predictions, vocabulary]}, one for each of {@link #labels}. */
  Tensor logits() {
    return logits(model);
  }

  /** The teacher's, without gradients. */
  Tensor teacherLogits() {
    return logits(teacher).detach();
  }

  /** Only for the tokens that are to be predicted: a vocabulary is large. */
  private Tensor logits(DifferentiableModel from) {
    return Torch.scoped(
        () -> {
          var states = from.states(tokens, padding());
          var rows = states.reshape(-1, states.size(-1));
          return from.logits(rows.index_select(0, vector(places())));
        });
  }

  /** {@code [predictions]}: the tokens to predict, those that follow where none are hidden. */
  Tensor labels() {
    var all = labelled();
    int width = longest();
    var labelled = IntStream.of(places()).map(at -> all[at / width][at % width]).toArray();
    return vector(labelled);
  }

  private static Tensor vector(int[] values) {
    return Torch.ofTokens(new int[][] {values}).reshape(-1);
  }

  /** Of the tokens that predict one, row by row. */
  private int[] places() {
    var all = labelled();
    int width = longest();
    return IntStream.range(0, all.length * width)
        .filter(at -> all[at / width][at % width] != Masking.UNLABELLED)
        .toArray();
  }

  private int[][] labelled() {
    if (labels != null) {
      return labels;
    }
    var shifted = new int[tokens.length][longest()];
    for (int row = 0; row < tokens.length; row++) {
      Arrays.fill(shifted[row], Masking.UNLABELLED);
      System.arraycopy(tokens[row], 1, shifted[row], 0, lengths[row] - 1);
    }
    return shifted;
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
