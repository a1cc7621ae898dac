package ai.lathe.compress.search;

import ai.lathe.torch.States;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * States of texts after stages of earlier runs. Where memory ends, those go first that were of use
 * longest ago, and of one run the deepest, which the fewest others share.
 */
final class StateCache implements AutoCloseable {

  /**
   * What states are of.
   *
   * @param batch that drew the text
   * @param chunk of it
   * @param prefix of {@link Stages#prefix}
   */
  record Key(int batch, int chunk, int stage, List<Integer> prefix) {}

  private record Entry(States states, long run) {}

  private final long limit;
  private final Map<Key, Entry> entries = new HashMap<>();
  private long bytes;
  private long run;

  StateCache(long limit) {
    this.limit = limit;
  }

  /** What is touched from now on is of use later than all before. */
  void nextRun() {
    run++;
  }

  /** Says that a run has these states on its way. */
  void touch(Key key) {
    entries.computeIfPresent(key, (_, entry) -> new Entry(entry.states(), run));
  }

  /** States for the caller to put back, or to close. */
  Optional<States> take(Key key) {
    var entry = entries.remove(key);
    if (entry == null) {
      return Optional.empty();
    }
    bytes -= entry.states().bytes();
    return Optional.of(entry.states());
  }

  /** Takes states over, and closes them where there is no room. */
  void put(Key key, States states) {
    take(key).ifPresent(States::close);
    entries.put(key, new Entry(states, run));
    bytes += states.bytes();
    while (bytes > limit) {
      var least =
          entries.entrySet().stream()
              .min(
                  Comparator.<Map.Entry<Key, Entry>>comparingLong(entry -> entry.getValue().run())
                      .thenComparingInt(entry -> -entry.getKey().stage()))
              .orElseThrow();
      take(least.getKey()).orElseThrow().close();
    }
  }

  /** Closes what is left of a text. */
  void drop(int batch) {
    for (var key : List.copyOf(entries.keySet())) {
      if (key.batch() == batch) {
        take(key).orElseThrow().close();
      }
    }
  }

  long bytes() {
    return bytes;
  }

  @Override
  public void close() {
    entries.values().forEach(entry -> entry.states().close());
    entries.clear();
    bytes = 0;
  }
}
