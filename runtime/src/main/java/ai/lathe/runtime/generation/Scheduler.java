package ai.lathe.runtime.generation;

import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * Continuous batching: each step runs one batch in which every sequence that is writing has its
 * next token, and prompts fill what room is left. Sequences join and leave between steps. While
 * others write, a prompt is read in parts, so that nobody waits for a long one. For one thread at a
 * time.
 */
final class Scheduler implements AutoCloseable {

  private final BatchModel model;
  private final Drafter drafter;
  private final int[] endTokens;
  private final Limits limits;
  private final Distribution distribution;
  private final ArrayDeque<Task> waiting = new ArrayDeque<>();
  private final List<Task> active = new ArrayList<>();
  private final List<Task> batch = new ArrayList<>();
  private final Idle idle;

  /**
   * @param drafter proposes tokens; null for none
   * @param endTokens sorted
   */
  Scheduler(BatchModel model, Drafter drafter, int[] endTokens, Limits limits) {
    this.model = model;
    this.drafter = drafter;
    this.endTokens = endTokens;
    this.limits = limits;
    this.idle = new Idle(limits.idle());
    this.distribution = new Distribution(model.vocabulary());
  }

  /**
   * A sequence for {@link #enter}. For any thread.
   *
   * @param asked most tokens of output
   * @param ends whether the model's end tokens end it
   * @throws LatheException where the prompt cannot be run
   */
  Task task(int[] prompt, Sampling sampling, int asked, boolean ends) {
    if (prompt.length == 0) {
      throw new LatheException("the prompt has no tokens, and the model no token to begin with");
    }
    if (prompt.length >= model.context()) {
      throw new LatheException(
          "the prompt has %d tokens; the model's context has room for %d and what follows"
              .formatted(prompt.length, model.context() - 1));
    }
    if (asked < 1) {
      throw new LatheException("at most " + asked + " tokens are asked for; 1 is the least");
    }
    for (int i = 0; i < prompt.length; i++) {
      if (prompt[i] < 0 || prompt[i] >= model.vocabulary()) {
        throw new LatheException(
            "token %d of the prompt is %d; the model's tokens are from 0 to %d"
                .formatted(i, prompt[i], model.vocabulary() - 1));
      }
    }
    int most = (int) Math.min((long) prompt.length + asked, model.context());
    long bytes = model.cacheBytes(most) + (drafter == null ? 0 : drafter.cacheBytes(most));
    if (bytes > limits.cacheBytes()) {
      throw new LatheException(
          "%d tokens of prompt and output need %,d bytes of keys and values, and all sequences have %,d: ask for fewer tokens, or allow more"
              .formatted(most, bytes, limits.cacheBytes()));
    }
    return new Task(new Sampler(sampling, distribution), prompt, asked, most, ends, bytes);
  }

  /** A sequence takes part from the next step on. */
  void enter(Task task) {
    waiting.add(task);
  }

  /** Takes a sequence out, at any time; nothing happens where it is over. */
  void cancel(Task task) {
    if (waiting.remove(task) || active.remove(task)) {
      task.finished = FinishReason.CANCELLED;
      retire(task);
    }
  }

  /** Whether there is anything to do. */
  boolean isIdle() {
    return waiting.isEmpty() && active.isEmpty();
  }

  /** Runs one batch. What sequences then have is in their tasks. */
  void step() {
    admit();
    if (active.isEmpty()) {
      return;
    }
    try {
      if (drafter != null) {
        drafter.propose(active, distribution);
      }
      choose(run());
    } catch (RuntimeException | Error e) {
      // The batch was one computation: what broke it broke it for all.
      active.forEach(task -> task.failure = e);
    } finally {
      for (int i = active.size() - 1; i >= 0; i--) {
        if (active.get(i).isOver()) {
          retire(active.remove(i));
        }
      }
    }
  }

  private void admit() {
    while (active.size() < limits.sequences() && !waiting.isEmpty()) {
      var task = waiting.element();
      if (task.state == null) {
        idle.give(task);
      }
      if (!fits(task)) {
        // Those before it will be over some time; nobody overtakes it.
        return;
      }
      waiting.remove();
      if (task.state == null) {
        task.state = model.open(task.mostTokens);
      }
      if (drafter != null && task.draft == null) {
        task.draft = drafter.open(task.mostTokens);
      }
      active.add(task);
    }
  }

  /** Makes room for a sequence, at the expense of those that are over. */
  private boolean fits(Task task) {
    long held = task.cacheBytes;
    for (var other : active) {
      held += other.cacheBytes;
    }
    while (held + idle.cacheBytes() > limits.cacheBytes()) {
      if (!idle.dropOldest()) {
        return false;
      }
    }
    return true;
  }

  /** Returns the rows of logits that the batch gave. */
  private int run() {
    model.begin();
    batch.clear();
    int room = model.batchTokens();
    int rows = 0;
    for (int i = 0; i < active.size(); i++) {
      var task = active.get(i);
      if (task.unread() == 1) {
        int from = task.state.length();
        task.rows = 1 + task.drafted;
        model.add(task.state, task.tokens, from, from + task.rows, task.rows);
        batch.add(task);
        rows += task.rows;
        room -= task.rows;
      }
    }
    room = rows == 0 ? room : Math.min(room, limits.promptPart());
    for (int i = 0; i < active.size() && room > 0; i++) {
      var task = active.get(i);
      int unread = task.unread();
      if (unread > 1) {
        int from = task.state.length();
        int part = Math.min(room, unread);
        task.rows = part == unread ? 1 : 0;
        model.add(task.state, task.tokens, from, from + part, task.rows);
        batch.add(task);
        rows += task.rows;
        room -= part;
      }
    }
    model.run();
    return rows;
  }

  private void choose(int rows) {
    var logits = model.logits(rows);
    long at = 0;
    for (int i = 0; i < batch.size(); i++) {
      var task = batch.get(i);
      try {
        if (task.drafted > 0) {
          judge(task, logits, at);
        } else if (task.rows == 1) {
          task.append(task.sampler.next(logits, at), endTokens);
        }
      } catch (LatheException e) {
        task.failure = e;
      }
      at += (long) task.rows * distribution.size();
    }
  }

  /**
   * Speculative sampling (Leviathan et al. 2023, arXiv 2211.17192; Chen et al. 2023, arXiv
   * 2302.01318): a token that the draft drew from {@code q} stands with probability {@code min(1, p
   * / q)}; in the place of the first that does not, one of {@code max(p - q, 0)} is drawn. What
   * stands is distributed as if drawn from {@code p}.
   */
  private void judge(Task task, MemorySegment logits, long at) {
    int drafted = task.drafted;
    boolean stands = true;
    for (int i = 0; i < drafted && stands && !task.isOver(); i++) {
      long row = at + (long) i * distribution.size();
      // Tokens that stood are where they were proposed: the next proposal follows them.
      int token = task.tokens[task.count];
      var q = task.proposals[i];
      task.sampler.shape(logits, row);
      task.judged++;
      task.overlap += distribution.overlap(q);
      stands = task.sampler.uniform() * q[token] < distribution.probability(token);
      if (!stands) {
        int other = distribution.drawBeyond(q, task.sampler.uniform());
        // Nothing beyond: the two are equal but for rounding.
        stands = other < 0;
        token = stands ? token : other;
      }
      task.accepted += stands ? 1 : 0;
      task.sampler.report(logits, row, token);
      task.append(token, endTokens);
    }
    if (stands && !task.isOver()) {
      long last = at + (long) drafted * distribution.size();
      task.append(task.sampler.next(logits, last), endTokens);
    }
    task.drafted = 0;
    task.state.truncate(task.count - 1);
    task.draft.truncate(task.count - 1);
  }

  private void retire(Task task) {
    if (task.failure == null && task.state != null) {
      idle.take(task);
    } else {
      task.closeStates();
    }
  }

  @Override
  public void close() {
    active.forEach(Task::closeStates);
    active.clear();
    waiting.clear();
    idle.close();
  }
}
