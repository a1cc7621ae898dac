package ai.lathe.model.chat.jinja;

import java.util.List;

/** Python's two ways to fill values into a text. */
final class Formats {

  private Formats() {}

  /** {@code format % values}, without widths. */
  static String percent(String format, List<?> values, Limits limits) {
    var out = new StringBuilder();
    int next = 0;
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%') {
        out.append(c);
        continue;
      }
      char kind = ++i < format.length() ? format.charAt(i) : ' ';
      if (kind == '%') {
        out.append('%');
        continue;
      }
      if (next == values.size()) {
        throw new Failure("more places in the format than values");
      }
      var value = values.get(next++);
      out.append(
          switch (kind) {
            case 's' -> Printing.text(value);
            case 'r' -> Printing.representation(value);
            case 'd', 'i' -> {
              if (!Operators.isNumber(value)) {
                throw new Failure("'%d' formats no " + Printing.type(value));
              }
              yield String.valueOf((long) Operators.real(value));
            }
            default -> throw new Failure("the format '%" + kind + "' is not known");
          });
      limits.text(out.length());
    }
    if (next < values.size()) {
      throw new Failure("more values than places in the format");
    }
    return out.toString();
  }

  /** {@code format.format(...)}: {@code {}}, {@code {0}} and {@code {name}}, without more. */
  static String braces(String format, Arguments arguments, Limits limits) {
    var out = new StringBuilder();
    int next = 0;
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if ((c == '{' || c == '}') && i + 1 < format.length() && format.charAt(i + 1) == c) {
        out.append(c);
        i++;
      } else if (c == '{') {
        int end = format.indexOf('}', i);
        if (end < 0) {
          throw new Failure("a '{' without '}' in a format");
        }
        var field = format.substring(i + 1, end);
        i = end;
        out.append(Printing.text(field(field, field.isEmpty() ? next++ : -1, arguments)));
        limits.text(out.length());
      } else if (c == '}') {
        throw new Failure("a '}' without '{' in a format");
      } else {
        out.append(c);
      }
    }
    return out.toString();
  }

  private static Object field(String field, int position, Arguments arguments) {
    if (field.matches("[0-9]{1,4}")) {
      position = Integer.parseInt(field);
    }
    if (position >= 0) {
      if (position >= arguments.positional().size()) {
        throw new Failure("more places in the format than values");
      }
      return arguments.positional().get(position);
    }
    if (!arguments.named().containsKey(field)) {
      throw new Failure("the format has no value for '{" + field + "}'");
    }
    return arguments.named().get(field);
  }
}
