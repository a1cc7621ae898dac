package ai.lathe.tensor;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;

/**
 * A failure whose message is for the person at the keyboard: one line that says what is wrong and
 * what would be right. Everything that a bad file, a bad argument or a missing resource can cause
 * is one of these; any other exception is a bug.
 */
public class LatheException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  public LatheException(String message) {
    super(message);
  }

  public LatheException(String message, Throwable cause) {
    super(message, cause);
  }

  /**
   * An unknown name, with the nearest of the valid ones, for example {@code unknown scheme 'W4A61';
   * did you mean 'W4A16'?}.
   */
  public static LatheException unknown(String kind, String given, Collection<String> valid) {
    var nearest =
        valid.stream()
            .min(
                Comparator.comparingInt(
                    name ->
                        distance(given.toLowerCase(Locale.ROOT), name.toLowerCase(Locale.ROOT))));
    var hint =
        nearest
            .map(name -> "; did you mean '" + name + "'? (valid: " + String.join(", ", valid) + ")")
            .orElse("");
    return new LatheException("unknown " + kind + " '" + given + "'" + hint);
  }

  /** Levenshtein distance. */
  private static int distance(String a, String b) {
    var previous = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      previous[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      var current = new int[b.length() + 1];
      current[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int substitution = previous[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        current[j] = Math.min(substitution, Math.min(previous[j], current[j - 1]) + 1);
      }
      previous = current;
    }
    return previous[b.length()];
  }
}
