package ai.lathe.runtime.generation;

import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.List;

/** A small model that proposes tokens for a large one to judge, several of them in one pass. */
public final class Drafter {

  private final BatchModel model;
  private final int tokens;
  private final List<Task> proposing = new ArrayList<>();

  /**
   * @param tokens most that are proposed at once
   */
  public Drafter(BatchModel model, int tokens) {
    if (tokens < 1 || tokens > 32) {
      throw new LatheException(
          "a draft of " + tokens + " tokens is asked for; from 1 to 32 are possible");
    }
    this.model = model;
    this.tokens = tokens;
  }

  BatchModel.State open(int most) {
    return model.open(Math.min(most, model.context()));
  }

  long cacheBytes(int most) {
    return model.cacheBytes(Math.min(most, model.context()));
  }

  /**
   * Proposes tokens for sequences that are writing, and reads on in the others' prompts.
   *
   * @param distribution to work in
   */
  void propose(List<Task> active, Distribution distribution) {
    int rows = read(active);
    for (int round = 0; !proposing.isEmpty(); round++) {
      var logits = model.logits(rows);
      for (int i = 0; i < proposing.size(); i++) {
        var task = proposing.get(i);
        task.sampler.shape(logits, (long) i * distribution.size());
        int token = distribution.draw(task.sampler.uniform());
        task.propose(token, distribution);
        task.sampler.accept(token);
      }
      for (int i = proposing.size() - 1; i >= 0; i--) {
        if (proposing.get(i).drafted == room(proposing.get(i))) {
          proposing.remove(i);
        }
      }
      if (proposing.isEmpty()) {
        break;
      }
      model.begin();
      for (int i = 0; i < proposing.size(); i++) {
        var task = proposing.get(i);
        int at = task.count + round;
        model.add(task.draft, task.tokens, at, at + 1, 1);
      }
      rows = proposing.size();
      model.run();
    }
    for (int i = 0; i < active.size(); i++) {
      var task = active.get(i);
      for (int d = 0; d < task.drafted; d++) {
        task.sampler.retract(task.tokens[task.count + d]);
      }
    }
  }

  /** Reads what stands; who has read all of it proposes. Returns the rows of logits. */
  private int read(List<Task> active) {
    model.begin();
    proposing.clear();
    int room = model.batchTokens();
    boolean any = false;
    for (int i = 0; i < active.size() && room > 0; i++) {
      var task = active.get(i);
      int from = task.draft.length();
      int to = Math.min(Math.min(task.count, model.context()), from + room);
      boolean proposes = task.unread() == 1 && to == task.count && room(task) > 0;
      if (from < to) {
        model.add(task.draft, task.tokens, from, to, proposes ? 1 : 0);
        room -= to - from;
        any = true;
        if (proposes) {
          proposing.add(task);
        }
      }
    }
    if (any) {
      model.run();
    }
    return proposing.size();
  }

  /** How many tokens are proposed: the model adds one of its own behind them. */
  private int room(Task task) {
    int left = Math.min(task.mostTokens, model.context()) - task.count - 1;
    return Math.min(tokens, left);
  }
}
