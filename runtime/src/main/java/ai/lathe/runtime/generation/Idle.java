package ai.lathe.runtime.generation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * States of sequences that are over. A prompt that begins like one of them, as the next turn of a
 * chat does, goes on from there.
 */
final class Idle {

  private record Entry(
      int[] tokens, BatchModel.State state, BatchModel.State draft, long cacheBytes) {}

  private final int most;
  private final List<Entry> entries = new ArrayList<>();

  /**
   * @param most states that are kept; the one that was used longest ago goes first
   */
  Idle(int most) {
    this.most = most;
  }

  /** Gives a task the state that knows most of its prompt, or none. */
  void give(Task task) {
    Entry best = null;
    int longest = 0;
    for (var entry : entries) {
      // The last token is read again: its logits are needed.
      int common =
          Arrays.mismatch(entry.tokens, 0, entry.tokens.length, task.tokens, 0, task.count - 1);
      common = common < 0 ? entry.tokens.length : common;
      // Taking a state costs it what goes beyond: not worth it for a BOS alone.
      boolean worth =
          2L * common >= Math.min(entry.tokens.length, task.count)
              && common >= entry.state.earliest();
      if (common > longest && worth && entry.state.canBecome(task.mostTokens)) {
        best = entry;
        longest = common;
      }
    }
    if (best == null) {
      return;
    }
    entries.remove(best);
    task.state = best.state;
    task.state.truncate(longest);
    task.draft = best.draft;
    if (task.draft != null) {
      int kept = Math.min(longest, task.draft.length());
      task.draft.truncate(kept < task.draft.earliest() ? 0 : kept);
    }
    task.reused = task.state.length();
  }

  /** Takes over the states of a task that is over. */
  void take(Task task) {
    var known = Arrays.copyOf(task.tokens, task.state.length());
    entries.add(new Entry(known, task.state, task.draft, task.cacheBytes));
    task.state = null;
    task.draft = null;
    while (entries.size() > most) {
      close(entries.removeFirst());
    }
  }

  /** The most that all of them hold. */
  long cacheBytes() {
    long bytes = 0;
    for (var entry : entries) {
      bytes += entry.cacheBytes;
    }
    return bytes;
  }

  /** Lets go of the one that was used longest ago; false where there is none. */
  boolean dropOldest() {
    if (entries.isEmpty()) {
      return false;
    }
    close(entries.removeFirst());
    return true;
  }

  private static void close(Entry entry) {
    entry.state.close();
    if (entry.draft != null) {
      entry.draft.close();
    }
  }

  void close() {
    entries.forEach(Idle::close);
    entries.clear();
  }
}
