package ai.lathe.model.chat.jinja;

/**
 * What one rendering may cost. A template comes with a model file, which may be hostile: without
 * bounds three lines of it fill the memory or never end.
 */
final class Limits {

  /** Far above any conversation that fits into a context. */
  static final int LONGEST_TEXT = 16 << 20;

  static final int LONGEST_RANGE = 100_000;

  /** Of macros and blocks that call one another. */
  static final int DEEPEST_CALL = 200;

  private static final long STEPS = 10_000_000;
  private static final long CHARACTERS = 512L << 20;

  private long steps;
  private long characters;
  private int depth;

  void step() {
    if (++steps > STEPS) {
      throw new Failure("runs too long: more than " + STEPS + " steps");
    }
  }

  void enter() {
    if (++depth > DEEPEST_CALL) {
      throw new Failure("calls nested more than " + DEEPEST_CALL + " deep");
    }
  }

  void leave() {
    depth--;
  }

  /** Before a text of this length is made. */
  void text(long length) {
    if (length > LONGEST_TEXT) {
      throw new Failure("makes a text longer than " + LONGEST_TEXT + " characters");
    }
    spend(length);
  }

  /** Before a list or dictionary of this size is made. */
  void list(long size) {
    if (size > LONGEST_TEXT / 16) {
      throw new Failure("makes a list longer than " + LONGEST_TEXT / 16);
    }
    spend(8 * size);
  }

  private void spend(long amount) {
    characters += amount;
    if (characters > CHARACTERS) {
      throw new Failure("makes more than " + CHARACTERS + " characters of text in all");
    }
  }

  /** A value that was just made. */
  Object made(Object value) {
    if (value instanceof String text) {
      text(text.length());
    } else if (value instanceof java.util.Collection<?> list) {
      list(list.size());
    }
    return value;
  }
}
