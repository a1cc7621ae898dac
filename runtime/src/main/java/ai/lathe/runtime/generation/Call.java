package ai.lathe.runtime.generation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One caller's sequence. The thread that ran a step publishes what it gave; the caller's own thread
 * receives it. Both do so under the engine's lock; what was received belongs to the caller.
 */
final class Call {

  final Task task;
  private final long begun = System.nanoTime();

  // Published.
  private int[] inbox = new int[16];
  private final List<Logprobs> inboxLogprobs = new ArrayList<>();
  private int inboxCount;
  private int published;
  private int publishedRead;
  private int publishedReused;
  private FinishReason publishedReason;
  private Throwable publishedFailure;
  private Speculation publishedSpeculation = Speculation.NONE;
  private long first = begun;
  private long last = begun;

  // Received.
  private int[] tokens = new int[16];
  private final List<Logprobs> logprobs = new ArrayList<>();
  private int count;
  private int taken;
  private int read;
  private int toldRead;
  private FinishReason finished;
  private Throwable failure;

  Call(Task task) {
    this.task = task;
  }

  /** After a step, by the thread that ran it. */
  void publish() {
    if (publishedReason != null || publishedFailure != null) {
      return;
    }
    int output = task.count - task.promptTokens;
    if (output > published) {
      int more = output - published;
      if (inboxCount + more > inbox.length) {
        inbox = Arrays.copyOf(inbox, 2 * (inboxCount + more));
      }
      System.arraycopy(task.tokens, task.promptTokens + published, inbox, inboxCount, more);
      for (int i = published; i < output; i++) {
        inboxLogprobs.add(task.logprobs(i));
      }
      inboxCount += more;
      last = System.nanoTime();
      first = published == 0 ? last : first;
      published = output;
    }
    publishedRead =
        task.state == null ? publishedRead : Math.min(task.state.length(), task.promptTokens);
    publishedReused = task.reused;
    if (task.judged > publishedSpeculation.drafted()) {
      publishedSpeculation = task.speculation();
    }
    publishedReason = task.finished;
    publishedFailure = task.failure;
  }

  /** By the caller's thread; whether there is anything that it was not told. */
  boolean receive() {
    if (inboxCount > 0) {
      var swap = tokens;
      tokens = inbox;
      inbox = swap;
      count = inboxCount;
      taken = 0;
      inboxCount = 0;
      logprobs.clear();
      logprobs.addAll(inboxLogprobs);
      inboxLogprobs.clear();
    }
    read = publishedRead;
    finished = publishedReason;
    failure = publishedFailure;
    return count > taken || read > toldRead || isOver();
  }

  private boolean isOver() {
    return finished != null || failure != null;
  }

  /** Gives the output what was received; whether the text goes on. */
  boolean tell(Output output, GenerationListener listener) {
    if (read > toldRead) {
      toldRead = read;
      listener.progress(read, task.promptTokens);
    }
    boolean on = true;
    while (taken < count && on) {
      on = output.add(tokens[taken], logprobs.get(taken));
      taken++;
    }
    return on;
  }

  /** Why it is over; null where it is not. */
  FinishReason finished() {
    return finished;
  }

  /** What broke it; null where nothing did. */
  Throwable failure() {
    return failure;
  }

  /** What is known of it now; under the lock. */
  Generation result(Output output, FinishReason reason) {
    return new Generation(
        output.text(),
        output.tokens(),
        task.promptTokens,
        publishedReused,
        reason,
        java.util.Optional.ofNullable(output.stop()),
        output.logprobs(),
        publishedSpeculation,
        (first - begun) * 1e-9,
        (last - first) * 1e-9);
  }
}
