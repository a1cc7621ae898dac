package ai.lathe.runtime.generation;

import java.util.Arrays;

/** One sequence in the scheduler: prompt and output, and where the model stands in them. */
final class Task {

  final Sampler sampler;
  final int promptTokens;
  final int mostTokens;

  /** Output at which it ends, whatever the context allows. */
  final int asked;

  private final boolean ends;

  /** Prompt and output; tokens that a draft proposed stand behind them. */
  int[] tokens;

  int count;
  int drafted;
  BatchModel.State state;
  BatchModel.State draft;

  /** The most that its keys and values take. */
  final long cacheBytes;

  /** Prompt tokens that needed no computing. */
  int reused;

  /** Rows of logits that the present batch gives it. */
  int rows;

  /** The draft's distributions, one for each token that it proposed. */
  float[][] proposals = new float[0][];

  FinishReason finished;
  Throwable failure;

  long judged;
  long accepted;
  double overlap;

  private Logprobs[] logprobs = new Logprobs[0];

  /**
   * @param mostTokens of prompt and output
   * @param ends whether end tokens end it
   */
  Task(Sampler sampler, int[] prompt, int asked, int mostTokens, boolean ends, long cacheBytes) {
    this.sampler = sampler;
    this.tokens = prompt.clone();
    this.count = prompt.length;
    this.promptTokens = prompt.length;
    this.asked = asked;
    this.mostTokens = mostTokens;
    this.ends = ends;
    this.cacheBytes = cacheBytes;
    for (int token : prompt) {
      sampler.prompt(token);
    }
  }

  /** Tokens that the model has not read. */
  int unread() {
    return count - state.length();
  }

  boolean isOver() {
    return finished != null || failure != null;
  }

  /** A proposed token, behind those that stand; its distribution is in the given one. */
  void propose(int token, Distribution distribution) {
    if (drafted == proposals.length) {
      proposals = Arrays.copyOf(proposals, drafted + 1);
      proposals[drafted] = new float[distribution.size()];
    }
    distribution.probabilities(proposals[drafted]);
    reserve(count + drafted + 1);
    tokens[count + drafted++] = token;
  }

  /** The next token of the output; ends the sequence where it is the last. */
  void append(int token, int[] endTokens) {
    if (ends && Arrays.binarySearch(endTokens, token) >= 0) {
      finished = FinishReason.END;
      return;
    }
    sampler.accept(token);
    reserve(count + 1);
    tokens[count] = token;
    var reported = sampler.logprobs();
    if (reported != null) {
      note(reported);
    }
    count++;
    if (count - promptTokens == asked) {
      finished = FinishReason.LENGTH;
    } else if (count == mostTokens) {
      finished = FinishReason.CONTEXT;
    }
  }

  private void note(Logprobs reported) {
    int at = count - promptTokens;
    if (at >= logprobs.length) {
      logprobs = Arrays.copyOf(logprobs, Math.max(16, 2 * at));
    }
    logprobs[at] = reported;
  }

  /** Of an output token; null where none were asked for. */
  Logprobs logprobs(int output) {
    return output < logprobs.length ? logprobs[output] : null;
  }

  private void reserve(int size) {
    if (size > tokens.length) {
      tokens = Arrays.copyOf(tokens, Math.max(16, Math.max(size, 2 * tokens.length)));
    }
  }

  Speculation speculation() {
    return judged == 0 ? Speculation.NONE : new Speculation(judged, accepted, overlap / judged);
  }

  void closeStates() {
    if (state != null) {
      state.close();
      state = null;
    }
    if (draft != null) {
      draft.close();
      draft = null;
    }
  }
}
