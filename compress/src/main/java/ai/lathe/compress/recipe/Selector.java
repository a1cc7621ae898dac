package ai.lathe.compress.recipe;

import ai.lathe.tensor.LatheException;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Picks modules as llm-compressor and compressed-tensors do: by exact name ({@code lm_head}), by
 * class ({@code Linear}, {@code Embedding}), or by {@code re:} and a regular expression that must
 * match the beginning of the name.
 */
public record Selector(String text, Pattern pattern) {

  private static final String REGEX = "re:";

  /** Parses one; an ill-formed regular expression is a one-line error. */
  public static Selector of(String text) {
    if (!text.startsWith(REGEX)) {
      return new Selector(text, null);
    }
    try {
      return new Selector(text, Pattern.compile(text.substring(REGEX.length())));
    } catch (PatternSyntaxException e) {
      throw new LatheException(
          "the selector '" + text + "' is not a regular expression: " + e.getDescription(), e);
    }
  }

  /** Whether it picks a module of this name and class. */
  public boolean matches(String module, String moduleClass) {
    return pattern == null
        ? text.equals(module) || text.equals(moduleClass)
        : pattern.matcher(module).lookingAt();
  }
}
