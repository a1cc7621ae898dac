package ai.lathe.model.chat.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** JSON as Python's {@code json.dumps} writes it, to the byte. */
final class JsonText {

  private final boolean ascii;
  private final String indent;
  private final String comma;
  private final String colon;
  private final boolean sorted;
  private final StringBuilder out = new StringBuilder();

  private JsonText(boolean ascii, String indent, String comma, String colon, boolean sorted) {
    this.ascii = ascii;
    this.indent = indent;
    this.comma = comma;
    this.colon = colon;
    this.sorted = sorted;
  }

  /**
   * The filter {@code tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)}.
   */
  static String of(Object value, Arguments arguments) {
    arguments.only("tojson", "ensure_ascii", "indent", "separators", "sort_keys");
    var indent =
        switch (arguments.get(1, "indent", null)) {
          case null -> null;
          case String text -> text;
          case Long width -> " ".repeat((int) Math.clamp(width, 0, 100));
          case Object other ->
              throw new Failure("'indent' must be an integer, not " + Printing.type(other));
        };
    var comma = indent == null ? ", " : ",";
    var colon = ": ";
    if (arguments.get(2, "separators", null) instanceof List<?> pair && pair.size() == 2) {
      comma = Printing.text(pair.get(0));
      colon = Printing.text(pair.get(1));
    }
    var json =
        new JsonText(
            Operators.truth(arguments.get(0, "ensure_ascii", false)),
            indent,
            comma,
            colon,
            Operators.truth(arguments.get(3, "sort_keys", false)));
    json.append(value, 0);
    return json.out.toString();
  }

  private void append(Object value, int depth) {
    if (out.length() > Limits.LONGEST_TEXT) {
      throw new Failure("prints a text longer than " + Limits.LONGEST_TEXT + " characters");
    }
    switch (value) {
      case null -> out.append("null");
      case Boolean flag -> out.append(flag);
      case String text -> string(text);
      case Double number -> out.append(real(number));
      case Long number -> out.append(number);
      case BigInteger number -> out.append(number);
      case List<?> list -> list(list, depth);
      case Map<?, ?> map -> map(map, depth);
      default ->
          throw new Failure("a value of type " + Printing.type(value) + " has no form in JSON");
    }
  }

  private static String real(double value) {
    return Double.isNaN(value)
        ? "NaN"
        : Double.isInfinite(value) ? value > 0 ? "Infinity" : "-Infinity" : Printing.real(value);
  }

  private void list(List<?> list, int depth) {
    if (list.isEmpty()) {
      out.append("[]");
      return;
    }
    out.append('[');
    for (int i = 0; i < list.size(); i++) {
      out.append(i == 0 ? "" : comma);
      line(depth + 1);
      append(list.get(i), depth + 1);
    }
    line(depth);
    out.append(']');
  }

  private void map(Map<?, ?> map, int depth) {
    if (map.isEmpty()) {
      out.append("{}");
      return;
    }
    var keys = new ArrayList<Object>(map.keySet());
    if (sorted) {
      keys.sort(Comparator.comparing(JsonText::key, Operators::compareText));
    }
    out.append('{');
    for (int i = 0; i < keys.size(); i++) {
      out.append(i == 0 ? "" : comma);
      line(depth + 1);
      string(key(keys.get(i)));
      out.append(colon);
      append(map.get(keys.get(i)), depth + 1);
    }
    line(depth);
    out.append('}');
  }

  private static String key(Object key) {
    return switch (key) {
      case null -> "null";
      case String text -> text;
      case Boolean flag -> flag.toString();
      case Double number -> real(number);
      default -> key.toString();
    };
  }

  private void line(int depth) {
    if (indent != null) {
      out.append('\n').repeat(indent, depth);
    }
  }

  private void string(String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        default -> {
          if (c < 0x20 || ascii && c > 0x7e) {
            out.append(String.format("\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }
}
