package ai.lathe.model.chat.jinja;

import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What follows {@code is}. */
final class Tests {

  private static final List<String> NAMES =
      List.of(
          "boolean",
          "callable",
          "defined",
          "divisibleby",
          "eq",
          "equalto",
          "even",
          "false",
          "filter",
          "float",
          "ge",
          "greaterthan",
          "gt",
          "in",
          "integer",
          "iterable",
          "le",
          "lessthan",
          "lower",
          "lt",
          "mapping",
          "ne",
          "none",
          "number",
          "odd",
          "sameas",
          "sequence",
          "string",
          "test",
          "true",
          "undefined",
          "upper");

  private final Operators operators;

  Tests(Operators operators) {
    this.operators = operators;
  }

  boolean test(String name, Object value, Arguments arguments) {
    return switch (name) {
      case "defined" -> !(value instanceof Undefined);
      case "undefined" -> value instanceof Undefined;
      case "none" -> value == null;
      case "string" -> value instanceof String;
      case "mapping" -> value instanceof Map;
      case "sequence" ->
          value instanceof String
              || value instanceof List
              || value instanceof Map
              || value instanceof Undefined;
      case "iterable" ->
          value instanceof String
              || value instanceof List
              || value instanceof Map
              || value instanceof Undefined
              || value instanceof Generated
              || value instanceof Loop;
      case "boolean" -> value instanceof Boolean;
      case "true" -> Boolean.TRUE.equals(value);
      case "false" -> Boolean.FALSE.equals(value);
      case "integer" -> value instanceof Number && !(value instanceof Double);
      case "float" -> value instanceof Double;
      case "number" -> Operators.isNumber(value);
      case "callable" -> value instanceof Callable;
      case "odd" -> operators.equal(operators.arithmetic("%", value, 2L), 1L);
      case "even" -> operators.equal(operators.arithmetic("%", value, 2L), 0L);
      case "divisibleby" ->
          operators.equal(operators.arithmetic("%", value, arguments.get(0, "num")), 0L);
      case "lower" -> Printing.text(value).equals(Printing.text(value).toLowerCase(Locale.ROOT));
      case "upper" -> Printing.text(value).equals(Printing.text(value).toUpperCase(Locale.ROOT));
      case "in" -> operators.contains(arguments.get(0, "seq"), value);
      case "sameas" -> same(value, arguments.get(0, "other"));
      case "eq", "equalto", "==" -> operators.compare("==", value, arguments.get(0, "other"));
      case "ne", "!=" -> operators.compare("!=", value, arguments.get(0, "other"));
      case "lt", "lessthan", "<" -> operators.compare("<", value, arguments.get(0, "other"));
      case "le", "<=" -> operators.compare("<=", value, arguments.get(0, "other"));
      case "gt", "greaterthan", ">" -> operators.compare(">", value, arguments.get(0, "other"));
      case "ge", ">=" -> operators.compare(">=", value, arguments.get(0, "other"));
      case "filter" -> Filters.NAMES.contains(Printing.text(value));
      case "test" -> NAMES.contains(Printing.text(value));
      default -> throw new Failure(LatheException.unknown("test", name, NAMES).getMessage());
    };
  }

  private boolean same(Object a, Object b) {
    return a == b
        || Operators.isNumber(a) && a.getClass() == b.getClass() && operators.equal(a, b)
        || a instanceof String && a.equals(b);
  }
}
