package ai.lathe.compress.report.page;

/** Text that may hold anything, as it may stand in a page. */
final class Html {

  private Html() {}

  /**
   * Names come from files that nobody vouches for: no character of them is markup, none ends an
   * attribute, and none turns the direction of what follows.
   */
  static String text(String text) {
    var escaped = new StringBuilder(text.length() + 16);
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '&' -> escaped.append("&amp;");
        case '<' -> escaped.append("&lt;");
        case '>' -> escaped.append("&gt;");
        case '"' -> escaped.append("&quot;");
        case '\'' -> escaped.append("&#39;");
        default -> escaped.append(isHidden(c) ? '\uFFFD' : c);
      }
    }
    return escaped.toString();
  }

  private static boolean isHidden(char c) {
    return Character.isISOControl(c) && c != '\n' && c != '\t'
        || c >= '\u202A' && c <= '\u202E'
        || c >= '\u2066' && c <= '\u2069';
  }
}
