package ai.lathe.runtime.execution;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import ai.lathe.model.Address;
import ai.lathe.model.architecture.Site;
import java.lang.foreign.MemorySegment;

/**
 * Looks at linear layers as they run: finds the first that gives NaN or infinity, off until a pass
 * has gone wrong, and holds the clock.
 */
final class Probe {

  final LayerClock clock = new LayerClock();
  private boolean on;
  private Address first;

  void start() {
    on = true;
    first = null;
  }

  /** Ends looking; what was found, in words. */
  String stop() {
    on = false;
    if (first == null) {
      return "NaN or infinity between layers, or in a norm";
    }
    var where = first.block() == Address.OUTSIDE ? "" : " of block " + first.block();
    var expert = first.expert() == Site.NO_EXPERT ? "" : ", expert " + first.expert();
    return "NaN or infinity, first in the output of " + first.role() + where + expert;
  }

  /**
   * @param count elements
   */
  void look(Address address, MemorySegment out, long count) {
    if (on && first == null && !finite(out, count)) {
      first = address;
    }
  }

  /** Whether all of the first {@code count} elements are numbers. */
  static boolean finite(MemorySegment values, long count) {
    for (long i = 0; i < count; i++) {
      if (!Float.isFinite(values.getAtIndex(JAVA_FLOAT, i))) {
        return false;
      }
    }
    return true;
  }
}
