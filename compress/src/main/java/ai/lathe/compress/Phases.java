package ai.lathe.compress;

import java.util.LinkedHashMap;
import java.util.Map;

/** How long each phase of a run took. */
final class Phases {

  private final Map<String, Double> seconds = new LinkedHashMap<>();
  private long start = System.nanoTime();

  /** Ends the phase that has been running since the last one ended; it may come again. */
  void end(String phase) {
    long now = System.nanoTime();
    seconds.merge(phase, (now - start) / 1e9, Double::sum);
    start = now;
  }

  Map<String, Double> seconds() {
    return seconds;
  }
}
