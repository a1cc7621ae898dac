package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * What a configuration calls modules by: their exact name, their class, or {@code re:} and a
 * regular expression that the beginning of the name matches.
 */
public final class Selector {

  private static final int LONGEST = 1000;
  private static final int STEPS = 200_000;

  private final String text;
  private final Pattern pattern;

  private Selector(String text, Pattern pattern) {
    this.text = text;
    this.pattern = pattern;
  }

  /**
   * Parses one.
   *
   * @param where it stands, for the message where it is no regular expression
   */
  public static Selector of(String text, String where) {
    if (!text.startsWith("re:")) {
      return new Selector(text, null);
    }
    if (text.length() > LONGEST) {
      throw new FormatException(
          where + ": a selector of " + text.length() + " characters; at most " + LONGEST);
    }
    try {
      // Python writes named groups with a P.
      return new Selector(text, Pattern.compile(text.substring(3).replace("(?P<", "(?<")));
    } catch (PatternSyntaxException e) {
      throw new FormatException(
          where + ": '" + text + "' is no regular expression: " + e.getDescription(), e);
    }
  }

  /** Whether a module is meant, by its name or its class. */
  public boolean matches(String module, String className) {
    return matchesName(module) || matchesClass(className);
  }

  boolean matchesName(String module) {
    return pattern == null
        ? text.equals(module)
        : pattern.matcher(new Bounded(module, new int[] {STEPS}, text)).lookingAt();
  }

  boolean matchesClass(String className) {
    return pattern == null && text.equals(className);
  }

  @Override
  public String toString() {
    return text;
  }

  /** An expression from a file may take exponential time; it gets a number of steps instead. */
  private record Bounded(String name, int[] left, String selector) implements CharSequence {
    @Override
    public int length() {
      return name.length();
    }

    @Override
    public char charAt(int index) {
      if (left[0]-- == 0) {
        throw new FormatException(
            "selector '" + selector + "' takes too long to match '" + name + "'; simplify it");
      }
      return name.charAt(index);
    }

    @Override
    public CharSequence subSequence(int start, int end) {
      return name.substring(start, end);
    }

    @Override
    public String toString() {
      return name;
    }
  }
}
