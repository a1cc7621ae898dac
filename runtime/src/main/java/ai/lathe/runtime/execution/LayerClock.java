package ai.lathe.runtime.execution;

import ai.lathe.model.Address;
import java.util.HashMap;
import java.util.Map;

/**
 * How long linear layers take, with what is done to their inputs; of those that run together each
 * its share by bytes. Off until it is started. For one thread at a time.
 */
public final class LayerClock {

  private final Map<Address, Long> nanoseconds = new HashMap<>();
  private boolean on;

  LayerClock() {}

  /** Counts from zero. */
  public void start() {
    nanoseconds.clear();
    on = true;
  }

  /**
   * Ends counting. @return nanoseconds of each layer since it was started, all its runs together
   */
  public Map<Address, Long> stop() {
    on = false;
    return Map.copyOf(nanoseconds);
  }

  /** 0 where nobody counts. */
  long now() {
    return on ? System.nanoTime() : 0;
  }

  /** The first {@code count} of these ran together. */
  void ran(Linear[] linears, int count, long since) {
    if (!on) {
      return;
    }
    long took = System.nanoTime() - since;
    long bytes = 0;
    for (int i = 0; i < count; i++) {
      bytes += linears[i].matrix().bytes();
    }
    for (int i = 0; i < count; i++) {
      long share = (long) ((double) took * linears[i].matrix().bytes() / bytes);
      nanoseconds.merge(linears[i].address(), share, Long::sum);
    }
  }
}
