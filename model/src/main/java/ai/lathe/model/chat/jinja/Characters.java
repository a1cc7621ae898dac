package ai.lathe.model.chat.jinja;

/** Characters and strings as Python sees them: white space, and positions in code points. */
final class Characters {

  private Characters() {}

  /** Python's {@code str.isspace}, which Java's kinds of white space all miss by some. */
  static boolean isSpace(int c) {
    return c >= 0x09 && c <= 0x0d
        || c >= 0x1c && c <= 0x20
        || c == 0x85
        || c == 0xa0
        || c == 0x1680
        || c >= 0x2000 && c <= 0x200a
        || c == 0x2028
        || c == 0x2029
        || c == 0x202f
        || c == 0x205f
        || c == 0x3000;
  }

  /** Characters that end a line for {@code str.splitlines}. */
  static boolean endsLine(char c) {
    return c >= 0x0a && c <= 0x0d
        || c >= 0x1c && c <= 0x1e
        || c == 0x85
        || c == 0x2028
        || c == 0x2029;
  }

  static int length(String text) {
    return text.codePointCount(0, text.length());
  }

  static String at(String text, int index) {
    int from = text.offsetByCodePoints(0, index);
    return text.substring(from, text.offsetByCodePoints(from, 1));
  }

  static String strip(String text, String set, boolean left, boolean right) {
    int from = 0;
    int to = text.length();
    while (left && from < to && in(set, text.codePointAt(from))) {
      from += Character.charCount(text.codePointAt(from));
    }
    while (right && to > from && in(set, text.codePointBefore(to))) {
      to -= Character.charCount(text.codePointBefore(to));
    }
    return text.substring(from, to);
  }

  /** White space where there is no set. */
  private static boolean in(String set, int c) {
    return set == null ? isSpace(c) : set.indexOf(c) >= 0;
  }
}
