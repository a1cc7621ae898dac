package ai.lathe.model.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntPredicate;

/** The methods of Python's strings. */
final class StringMethods {

  private final Operators operators;
  private final Limits limits;

  StringMethods(Operators operators, Limits limits) {
    this.operators = operators;
    this.limits = limits;
  }

  /** Null where strings have no such method. */
  Callable method(String text, String name) {
    return switch (name) {
      case "strip" -> a -> strip(text, a, true, true);
      case "lstrip" -> a -> strip(text, a, true, false);
      case "rstrip" -> a -> strip(text, a, false, true);
      case "split" -> a -> split(text, a.only(name, "sep", "maxsplit"));
      case "rsplit" -> a -> splitRight(text, a.only(name, "sep", "maxsplit"));
      case "splitlines" -> a -> lines(text, Operators.truth(a.get(0, "keepends", false)));
      case "startswith" -> a -> matches(a.get(0, "prefix"), text::startsWith);
      case "endswith" -> a -> matches(a.get(0, "suffix"), text::endsWith);
      case "upper" -> a -> text.toUpperCase(Locale.ROOT);
      case "lower", "casefold" -> a -> text.toLowerCase(Locale.ROOT);
      case "title" -> a -> title(text);
      case "capitalize" -> a -> capitalize(text);
      case "swapcase" -> a -> swapCase(text);
      case "replace" ->
          a ->
              replace(
                  text, a.string(0, "old"), a.string(1, "new"), a.integer(2, "count", -1), limits);
      case "find" -> a -> find(text, a, text.indexOf(a.string(0, "sub")), -1L);
      case "rfind" -> a -> find(text, a, text.lastIndexOf(a.string(0, "sub")), -1L);
      case "index" -> a -> find(text, a, text.indexOf(a.string(0, "sub")), null);
      case "rindex" -> a -> find(text, a, text.lastIndexOf(a.string(0, "sub")), null);
      case "count" -> a -> count(text, a.string(0, "sub"));
      case "join" -> a -> join(text, operators.items(a.get(0, "iterable")), limits, true);
      case "format" -> a -> Formats.braces(text, a, limits);
      case "removeprefix" ->
          a ->
              text.startsWith(a.string(0, "prefix"))
                  ? text.substring(a.string(0, "prefix").length())
                  : text;
      case "removesuffix" ->
          a ->
              text.endsWith(a.string(0, "suffix"))
                  ? text.substring(0, text.length() - a.string(0, "suffix").length())
                  : text;
      case "partition" -> a -> partition(text, a, text.indexOf(a.string(0, "sep")), false);
      case "rpartition" -> a -> partition(text, a, text.lastIndexOf(a.string(0, "sep")), true);
      case "zfill" -> a -> zeros(text, a.integer(0, "width", 0));
      case "ljust" -> a -> text + padding(text, a);
      case "rjust" -> a -> padding(text, a) + text;
      case "isdigit" -> a -> all(text, Character::isDigit);
      case "isdecimal", "isnumeric" -> a -> all(text, Character::isDigit);
      case "isalpha" -> a -> all(text, Character::isLetter);
      case "isalnum" -> a -> all(text, Character::isLetterOrDigit);
      case "isspace" -> a -> all(text, Characters::isSpace);
      case "isupper" -> a -> cased(text) && text.equals(text.toUpperCase(Locale.ROOT));
      case "islower" -> a -> cased(text) && text.equals(text.toLowerCase(Locale.ROOT));
      default -> null;
    };
  }

  private static String strip(String text, Arguments arguments, boolean left, boolean right) {
    arguments.only("strip", "chars");
    var set = arguments.get(0, "chars", null) == null ? null : arguments.string(0, "chars");
    return Characters.strip(text, set, left, right);
  }

  private static boolean matches(Object given, java.util.function.Predicate<String> test) {
    return switch (given) {
      case String affix -> test.test(affix);
      case Tuple any -> any.stream().anyMatch(affix -> matches(affix, test));
      case null, default ->
          throw Operators.undefined(
              given, given, "expected a string or a tuple of strings, not " + Printing.type(given));
    };
  }

  private List<Object> split(String text, Arguments arguments) {
    long left = arguments.integer(1, "maxsplit", -1);
    var parts = new ArrayList<Object>();
    if (arguments.get(0, "sep", null) == null) {
      int at = skip(text, 0, true);
      while (at < text.length()) {
        int end = left-- == 0 ? text.length() : skip(text, at, false);
        parts.add(text.substring(at, end));
        at = skip(text, end, true);
      }
      return parts;
    }
    var separator = separator(arguments);
    int at = 0;
    for (int end = text.indexOf(separator); end >= 0 && left-- != 0; ) {
      parts.add(text.substring(at, end));
      at = end + separator.length();
      end = text.indexOf(separator, at);
    }
    parts.add(text.substring(at));
    return parts;
  }

  private List<Object> splitRight(String text, Arguments arguments) {
    long left = arguments.integer(1, "maxsplit", -1);
    if (left < 0) {
      return split(text, arguments);
    }
    var parts = new ArrayList<Object>();
    var separator = separator(arguments);
    int end = text.length();
    while (left-- > 0) {
      int at = text.lastIndexOf(separator, end - separator.length());
      if (at < 0) {
        break;
      }
      parts.addFirst(text.substring(at + separator.length(), end));
      end = at;
    }
    parts.addFirst(text.substring(0, end));
    return parts;
  }

  private static String separator(Arguments arguments) {
    var separator = arguments.string(0, "sep");
    if (separator.isEmpty()) {
      throw new Failure("the separator is empty");
    }
    return separator;
  }

  private static int skip(String text, int at, boolean space) {
    while (at < text.length() && Characters.isSpace(text.charAt(at)) == space) {
      at++;
    }
    return at;
  }

  static List<Object> lines(String text, boolean keepEnds) {
    var lines = new ArrayList<Object>();
    int at = 0;
    while (at < text.length()) {
      int end = at;
      while (end < text.length() && !Characters.endsLine(text.charAt(end))) {
        end++;
      }
      int next = end == text.length() ? end : text.startsWith("\r\n", end) ? end + 2 : end + 1;
      lines.add(text.substring(at, keepEnds ? next : end));
      at = next;
    }
    return lines;
  }

  static String title(String text) {
    var out = new StringBuilder();
    boolean inside = false;
    for (int c : text.codePoints().toArray()) {
      out.appendCodePoint(inside ? Character.toLowerCase(c) : Character.toTitleCase(c));
      inside = Character.isLetter(c);
    }
    return out.toString();
  }

  static String capitalize(String text) {
    if (text.isEmpty()) {
      return text;
    }
    int first = text.offsetByCodePoints(0, 1);
    return text.substring(0, first).toUpperCase(Locale.ROOT)
        + text.substring(first).toLowerCase(Locale.ROOT);
  }

  private static String swapCase(String text) {
    var out = new StringBuilder();
    text.codePoints()
        .map(c -> Character.isUpperCase(c) ? Character.toLowerCase(c) : Character.toUpperCase(c))
        .forEach(out::appendCodePoint);
    return out.toString();
  }

  static String replace(String text, String old, String with, long count, Limits limits) {
    long found = old.isEmpty() ? Characters.length(text) + 1L : occurrences(text, old);
    long times = count < 0 ? found : Math.min(found, count);
    limits.text(text.length() + Operators.product(times, with.length()));
    if (times == found && !old.isEmpty()) {
      return text.replace(old, with);
    }
    var out = new StringBuilder();
    int at = 0;
    for (long i = 0; i < times; i++) {
      int hit = old.isEmpty() ? i == 0 ? 0 : text.offsetByCodePoints(at, 1) : text.indexOf(old, at);
      out.append(text, at, hit).append(with);
      at = hit + old.length();
    }
    return out.append(text, at, text.length()).toString();
  }

  private static long occurrences(String text, String part) {
    long found = 0;
    for (int at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length())) {
      found++;
    }
    return found;
  }

  private static long count(String text, String part) {
    return part.isEmpty() ? Characters.length(text) + 1L : occurrences(text, part);
  }

  /** A position in code points; {@code absent} is the answer where there is none, or an error. */
  private static Long find(String text, Arguments arguments, int at, Long absent) {
    arguments.only("find", "sub");
    if (at < 0 && absent == null) {
      throw new Failure("the text does not contain '" + arguments.string(0, "sub") + "'");
    }
    return at < 0 ? absent : (Long) (long) text.codePointCount(0, at);
  }

  /**
   * The items with a text between them.
   *
   * @param strict whether they must be strings, as the method wants; the filter prints them
   */
  static String join(String separator, List<?> items, Limits limits, boolean strict) {
    var out = new StringBuilder();
    for (int i = 0; i < items.size(); i++) {
      var item = items.get(i);
      if (strict && !(item instanceof String)) {
        throw Operators.undefined(item, item, "'join' expects strings, not " + Printing.type(item));
      }
      out.append(i == 0 ? "" : separator).append(Printing.text(item));
      if (out.length() > Limits.LONGEST_TEXT) {
        limits.text(out.length());
      }
    }
    return out.toString();
  }

  private static Tuple partition(String text, Arguments arguments, int at, boolean right) {
    var separator = separator(arguments.only("partition", "sep"));
    if (at < 0) {
      return right ? new Tuple("", "", text) : new Tuple(text, "", "");
    }
    return new Tuple(text.substring(0, at), separator, text.substring(at + separator.length()));
  }

  private String zeros(String text, long width) {
    limits.text(width);
    int sign = text.startsWith("-") || text.startsWith("+") ? 1 : 0;
    int missing = (int) Math.max(0, width - Characters.length(text));
    return text.substring(0, sign) + "0".repeat(missing) + text.substring(sign);
  }

  private String padding(String text, Arguments arguments) {
    long width = arguments.integer(0, "width", 0);
    limits.text(width);
    return arguments
        .string(1, "fillchar", " ")
        .repeat((int) Math.max(0, width - Characters.length(text)));
  }

  private static boolean all(String text, IntPredicate test) {
    return !text.isEmpty() && text.codePoints().allMatch(test);
  }

  private static boolean cased(String text) {
    return text.codePoints().anyMatch(c -> Character.isUpperCase(c) || Character.isLowerCase(c));
  }
}
