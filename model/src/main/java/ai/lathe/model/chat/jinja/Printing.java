package ai.lathe.model.chat.jinja;

import java.math.BigDecimal;
import java.util.List;
import java.util.Map;

/** Values as Python prints them: {@code str} and {@code repr}. */
final class Printing {

  private Printing() {}

  /** {@code str(value)}. */
  static String text(Object value) {
    return switch (value) {
      case String text -> text;
      case Undefined undefined -> "";
      case null, default -> representation(value);
    };
  }

  /** {@code repr(value)}. */
  static String representation(Object value) {
    var out = new StringBuilder();
    append(value, out);
    return out.toString();
  }

  private static void append(Object value, StringBuilder out) {
    if (out.length() > Limits.LONGEST_TEXT) {
      throw new Failure("prints a text longer than " + Limits.LONGEST_TEXT + " characters");
    }
    switch (value) {
      case null -> out.append("None");
      case Boolean flag -> out.append(flag ? "True" : "False");
      case Double number -> out.append(real(number));
      case String text -> quoted(text, out);
      case Undefined undefined -> out.append("Undefined");
      case Tuple tuple -> {
        out.append('(');
        items(tuple, out);
        out.append(tuple.size() == 1 ? ",)" : ")");
      }
      case List<?> list -> {
        out.append('[');
        items(list, out);
        out.append(']');
      }
      case Map<?, ?> map -> {
        out.append('{');
        var separator = "";
        for (var entry : map.entrySet()) {
          out.append(separator);
          append(entry.getKey(), out);
          out.append(": ");
          append(entry.getValue(), out);
          separator = ", ";
        }
        out.append('}');
      }
      case Number number -> out.append(number);
      default -> out.append('<').append(type(value)).append('>');
    }
  }

  private static void items(List<?> list, StringBuilder out) {
    for (int i = 0; i < list.size(); i++) {
      out.append(i == 0 ? "" : ", ");
      append(list.get(i), out);
    }
  }

  /** The shortest digits that give the number back, as Python sets them. */
  static String real(double value) {
    if (Double.isNaN(value)) {
      return "nan";
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? "inf" : "-inf";
    }
    if (value == 0) {
      return 1 / value < 0 ? "-0.0" : "0.0";
    }
    var decimal = new BigDecimal(Double.toString(Math.abs(value))).stripTrailingZeros();
    var digits = decimal.unscaledValue().toString();
    int exponent = digits.length() - 1 - decimal.scale();
    var out = new StringBuilder(value < 0 ? "-" : "");
    if (exponent < -4 || exponent >= 16) {
      out.append(digits.charAt(0));
      if (digits.length() > 1) {
        out.append('.').append(digits, 1, digits.length());
      }
      out.append('e').append(exponent < 0 ? '-' : '+');
      return out.append(Math.abs(exponent) < 10 ? "0" : "").append(Math.abs(exponent)).toString();
    }
    var plain = decimal.toPlainString();
    return out.append(plain).append(plain.contains(".") ? "" : ".0").toString();
  }

  private static void quoted(String text, StringBuilder out) {
    char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
    out.append(quote);
    for (int i = 0; i < text.length(); ) {
      int c = text.codePointAt(i);
      i += Character.charCount(c);
      if (c == quote || c == '\\') {
        out.append('\\').append((char) c);
      } else if (c == '\n' || c == '\r' || c == '\t') {
        out.append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
      } else if (printable(c)) {
        out.appendCodePoint(c);
      } else if (c < 0x100) {
        out.append(String.format("\\x%02x", c));
      } else {
        out.append(String.format(c < 0x10000 ? "\\u%04x" : "\\U%08x", c));
      }
    }
    out.append(quote);
  }

  private static boolean printable(int c) {
    return c == ' '
        || switch (Character.getType(c)) {
          case Character.CONTROL,
              Character.FORMAT,
              Character.SURROGATE,
              Character.PRIVATE_USE,
              Character.UNASSIGNED,
              Character.LINE_SEPARATOR,
              Character.PARAGRAPH_SEPARATOR,
              Character.SPACE_SEPARATOR ->
              false;
          default -> true;
        };
  }

  /** Python's name of a value's type, for messages. */
  static String type(Object value) {
    return switch (value) {
      case null -> "None";
      case Boolean flag -> "bool";
      case Double number -> "float";
      case Number number -> "int";
      case String text -> "str";
      case Tuple tuple -> "tuple";
      case List<?> list -> "list";
      case Map<?, ?> map -> "dict";
      case Namespace namespace -> "namespace";
      case Undefined undefined -> "undefined";
      case Loop loop -> "loop";
      case Generated generated -> "generator";
      default -> "function";
    };
  }
}
