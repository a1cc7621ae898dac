package ai.lathe.runtime.generation;

import ai.lathe.tensor.LatheException;
import java.util.List;

/**
 * Ends a streamed text before the first stop string that is complete in it, however the text is cut
 * into pieces. Text that may be the beginning of a stop string is held back until that is decided.
 */
final class StopStrings {

  private final List<String> stops;
  private final StringBuilder held = new StringBuilder();
  private String found;

  StopStrings(List<String> stops) {
    if (stops.stream().anyMatch(String::isEmpty)) {
      throw new LatheException("a stop string is empty; it would stop before the first token");
    }
    this.stops = stops;
  }

  /** The text that a piece decides. Nothing more after {@link #found}. */
  String add(String piece) {
    if (stops.isEmpty() || found != null) {
      return found == null ? piece : "";
    }
    held.append(piece);
    int start = -1;
    int end = Integer.MAX_VALUE;
    for (var stop : stops) {
      int at = held.indexOf(stop);
      // Of two that end together the longer one began first.
      if (at >= 0 && (at + stop.length() < end || at + stop.length() == end && at < start)) {
        start = at;
        end = at + stop.length();
        found = stop;
      }
    }
    return take(found == null ? held.length() - longestBeginning() : start);
  }

  /** What is still held back, when no more pieces come. */
  String finish() {
    return found == null ? take(held.length()) : "";
  }

  /** The stop string that ended the text; null where none has. */
  String found() {
    return found;
  }

  /** Length of the longest end of the held text with which a stop string begins. */
  private int longestBeginning() {
    int longest = 0;
    for (var stop : stops) {
      for (int n = Math.min(stop.length() - 1, held.length()); n > longest; n--) {
        if (stop.startsWith(held.substring(held.length() - n))) {
          longest = n;
        }
      }
    }
    return longest;
  }

  private String take(int length) {
    var text = held.substring(0, length);
    held.delete(0, length);
    return text;
  }
}
