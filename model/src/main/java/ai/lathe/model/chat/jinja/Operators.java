package ai.lathe.model.chat.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Python's operators on the values of a template. */
final class Operators {

  private final Limits limits;

  Operators(Limits limits) {
    this.limits = limits;
  }

  static boolean truth(Object value) {
    return switch (value) {
      case null -> false;
      case Boolean flag -> flag;
      case String text -> !text.isEmpty();
      case Long number -> number != 0;
      case Double number -> number != 0;
      case List<?> list -> !list.isEmpty();
      case Map<?, ?> map -> !map.isEmpty();
      case Undefined undefined -> false;
      default -> true;
    };
  }

  boolean equal(Object a, Object b) {
    limits.step();
    if (a instanceof Undefined || b instanceof Undefined) {
      return a instanceof Undefined && b instanceof Undefined;
    }
    if (isNumber(a) && isNumber(b)) {
      return compareNumbers(a, b) == 0 && !isNaN(a);
    }
    return switch (a) {
      case Tuple left -> b instanceof Tuple right && equalItems(left, right);
      case List<?> left ->
          b instanceof List<?> right && !(b instanceof Tuple) && equalItems(left, right);
      case Map<?, ?> left -> {
        if (!(b instanceof Map<?, ?> right) || left.size() != right.size()) {
          yield false;
        }
        for (var entry : left.entrySet()) {
          if (!right.containsKey(entry.getKey())
              || !equal(entry.getValue(), right.get(entry.getKey()))) {
            yield false;
          }
        }
        yield true;
      }
      case Namespace namespace -> a == b;
      case Loop loop -> a == b;
      case null, default -> Objects.equals(a, b);
    };
  }

  private boolean equalItems(List<?> left, List<?> right) {
    if (left.size() != right.size()) {
      return false;
    }
    for (int i = 0; i < left.size(); i++) {
      if (!equal(left.get(i), right.get(i))) {
        return false;
      }
    }
    return true;
  }

  /** The order of two values; fails where Python has none. */
  int compare(Object a, Object b) {
    limits.step();
    if (isNumber(a) && isNumber(b)) {
      return compareNumbers(a, b);
    }
    if (a instanceof String left && b instanceof String right) {
      return compareText(left, right);
    }
    if (a instanceof List<?> left
        && b instanceof List<?> right
        && a instanceof Tuple == b instanceof Tuple) {
      for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
        if (!equal(left.get(i), right.get(i))) {
          return compare(left.get(i), right.get(i));
        }
      }
      return Integer.compare(left.size(), right.size());
    }
    throw undefined(a, b, "'<' does not compare " + Printing.type(a) + " and " + Printing.type(b));
  }

  /** By code points, not by UTF-16 units. */
  static int compareText(String left, String right) {
    int i = 0;
    while (i < left.length() && i < right.length() && left.charAt(i) == right.charAt(i)) {
      i++;
    }
    if (i == left.length() || i == right.length()) {
      return Integer.compare(left.length(), right.length());
    }
    if (i > 0 && Character.isLowSurrogate(left.charAt(i))) {
      i--;
    }
    return Integer.compare(left.codePointAt(i), right.codePointAt(i));
  }

  boolean compare(String operator, Object a, Object b) {
    return switch (operator) {
      case "==" -> equal(a, b);
      case "!=" -> !equal(a, b);
      case "in" -> contains(b, a);
      case "not in" -> !contains(b, a);
      default -> {
        if (isNaN(a) || isNaN(b)) {
          yield false;
        }
        int order = compare(a, b);
        yield switch (operator) {
          case "<" -> order < 0;
          case "<=" -> order <= 0;
          case ">" -> order > 0;
          default -> order >= 0;
        };
      }
    };
  }

  boolean contains(Object container, Object item) {
    return switch (container) {
      case String text -> {
        if (item instanceof String part) {
          yield text.contains(part);
        }
        throw undefined(
            item, item, "'in' looks for a string in a string, not for " + Printing.type(item));
      }
      case List<?> list -> {
        for (var each : list) {
          if (equal(each, item)) {
            yield true;
          }
        }
        yield false;
      }
      case Map<?, ?> map -> map.containsKey(key(item));
      case Generated generated -> contains(generated.take(), item);
      case Undefined undefined -> false;
      case null, default -> throw new Failure("'in' looks into no " + Printing.type(container));
    };
  }

  /** A value that may be a key. */
  static Object key(Object value) {
    return switch (value) {
      case null -> null;
      case String text -> text;
      case Boolean flag -> flag;
      case Number number -> number;
      case Undefined undefined -> undefined;
      default -> throw new Failure("a " + Printing.type(value) + " cannot be a key");
    };
  }

  Object arithmetic(String operator, Object a, Object b) {
    if (operator.equals("+")) {
      if (a instanceof String left && b instanceof String right) {
        limits.text((long) left.length() + right.length());
        return left + right;
      }
      if (a instanceof List<?> left
          && b instanceof List<?> right
          && a instanceof Tuple == b instanceof Tuple) {
        limits.list((long) left.size() + right.size());
        var sum = new ArrayList<Object>(left);
        sum.addAll(right);
        return a instanceof Tuple ? Tuple.of(sum) : sum;
      }
    }
    if (operator.equals("*")) {
      if (a instanceof Long count && (b instanceof String || b instanceof List<?>)) {
        return repeated(b, count);
      }
      if (b instanceof Long count && (a instanceof String || a instanceof List<?>)) {
        return repeated(a, count);
      }
    }
    if (operator.equals("%") && a instanceof String format) {
      return Formats.percent(format, b instanceof Tuple tuple ? tuple : List.of(b), limits);
    }
    if (!isNumber(a) || !isNumber(b)) {
      throw undefined(
          a,
          b,
          "'" + operator + "' does not work on " + Printing.type(a) + " and " + Printing.type(b));
    }
    if (operator.equals("/")) {
      return real(a) / nonZero(real(b));
    }
    if (integral(a) instanceof Long left && integral(b) instanceof Long right) {
      if (!operator.equals("**") || right >= 0) {
        return integers(operator, left, right);
      }
    }
    double left = real(a);
    double right = real(b);
    return switch (operator) {
      case "+" -> left + right;
      case "-" -> left - right;
      case "*" -> left * right;
      case "//" -> Math.floor(left / nonZero(right));
      case "%" -> left - Math.floor(left / nonZero(right)) * right;
      default -> Math.pow(left, right);
    };
  }

  private static Object integers(String operator, long left, long right) {
    try {
      return switch (operator) {
        case "+" -> Math.addExact(left, right);
        case "-" -> Math.subtractExact(left, right);
        case "*" -> Math.multiplyExact(left, right);
        case "//" -> Math.floorDiv(left, (long) nonZero(right));
        case "%" -> Math.floorMod(left, (long) nonZero(right));
        default -> power(left, right);
      };
    } catch (ArithmeticException e) {
      throw new Failure("an integer of more than 64 bits");
    }
  }

  private static long power(long base, long exponent) {
    long result = 1;
    if (exponent > 64 && Math.abs(base) > 1) {
      throw new ArithmeticException();
    }
    for (long i = 0;
        i < (Math.abs(base) > 1 ? exponent : Math.min(exponent, 2 + exponent % 2));
        i++) {
      result = Math.multiplyExact(result, base);
    }
    return result;
  }

  private Object repeated(Object value, long count) {
    long times = Math.max(0, count);
    if (value instanceof String text) {
      limits.text(product(text.length(), times));
      return text.repeat((int) (text.isEmpty() ? 0 : times));
    }
    var list = (List<?>) value;
    limits.list(product(list.size(), times));
    var result = new ArrayList<Object>();
    for (long i = 0; i < times && !list.isEmpty(); i++) {
      result.addAll(list);
    }
    return value instanceof Tuple ? Tuple.of(result) : result;
  }

  static long product(long a, long b) {
    return a == 0 || b == 0 ? 0 : a > Long.MAX_VALUE / b ? Long.MAX_VALUE : a * b;
  }

  static Object negative(Object value) {
    return switch (value) {
      case Boolean flag -> flag ? -1L : 0L;
      case Long number when number != Long.MIN_VALUE -> -number;
      case Double number -> -number;
      case null, default ->
          throw undefined(value, value, "'-' does not work on " + Printing.type(value));
    };
  }

  static Object positive(Object value) {
    if (!isNumber(value)) {
      throw undefined(value, value, "'+' does not work on " + Printing.type(value));
    }
    return integral(value) == null ? value : integral(value);
  }

  /** The elements of a value that a loop may go through. */
  List<?> items(Object value) {
    return switch (value) {
      case List<?> list -> list;
      case Map<?, ?> map -> {
        limits.list(map.size());
        yield new ArrayList<Object>(map.keySet());
      }
      case String text -> {
        limits.list(text.length());
        var characters = new ArrayList<Object>();
        text.codePoints().forEach(c -> characters.add(Character.toString(c)));
        yield characters;
      }
      case Generated generated -> generated.take();
      case Undefined undefined when !undefined.message().startsWith("unsafe") -> List.of();
      case null, default ->
          throw undefined(value, value, "a loop goes through no " + Printing.type(value));
    };
  }

  /** {@code value[from:to:step]} of a string or list, by Python's rules for what lies outside. */
  Object slice(Object value, Long from, Long to, Long step) {
    int size =
        switch (value) {
          case String text -> Characters.length(text);
          case List<?> list -> list.size();
          case null, default ->
              throw undefined(value, value, "a " + Printing.type(value) + " has no slices");
        };
    long stride = step == null ? 1 : step;
    if (stride == 0) {
      throw new Failure("the step of a slice is zero");
    }
    long first = bound(from, size, stride > 0 ? 0 : size - 1, stride);
    long last = bound(to, size, stride > 0 ? size : -1, stride);
    if (value instanceof String text && stride == 1) {
      if (first >= last) {
        return "";
      }
      int begin = text.offsetByCodePoints(0, (int) first);
      int end = text.offsetByCodePoints(begin, (int) (last - first));
      limits.text(end - begin);
      return text.substring(begin, end);
    }
    var source = items(value);
    var picked = new ArrayList<Object>();
    limits.list(source.size());
    for (long i = first; stride > 0 ? i < last : i > last; i += stride) {
      picked.add(source.get((int) i));
    }
    return switch (value) {
      case String text -> String.join("", picked.stream().map(Printing::text).toList());
      case Tuple tuple -> Tuple.of(picked);
      default -> picked;
    };
  }

  private static long bound(Long given, int size, long otherwise, long stride) {
    if (given == null) {
      return otherwise;
    }
    long index = given < 0 ? given + size : given;
    return stride > 0 ? Math.clamp(index, 0, size) : Math.clamp(index, -1, size - 1);
  }

  /** A copy that a template may hold beside the original. */
  static Map<Object, Object> copy(Map<?, ?> map) {
    return new LinkedHashMap<>(map);
  }

  static boolean isNumber(Object value) {
    return value instanceof Number || value instanceof Boolean;
  }

  private static boolean isNaN(Object value) {
    return value instanceof Double number && number.isNaN();
  }

  private static int compareNumbers(Object a, Object b) {
    if (integral(a) instanceof Long left && integral(b) instanceof Long right) {
      return left.compareTo(right);
    }
    if (a instanceof BigInteger left && b instanceof BigInteger right) {
      return left.compareTo(right);
    }
    double left = real(a);
    double right = real(b);
    return left < right ? -1 : left > right ? 1 : 0;
  }

  /** As an integer, or null for a real number. */
  private static Long integral(Object value) {
    return switch (value) {
      case Boolean flag -> flag ? 1L : 0L;
      case Long number -> number;
      default -> null;
    };
  }

  static double real(Object value) {
    return value instanceof Boolean flag ? flag ? 1 : 0 : ((Number) value).doubleValue();
  }

  private static double nonZero(double value) {
    if (value == 0) {
      throw new Failure("division by zero");
    }
    return value;
  }

  /** The reason why a value is undefined, if one is; the message otherwise. */
  static Failure undefined(Object a, Object b, String message) {
    return a instanceof Undefined left
        ? left.failure()
        : b instanceof Undefined right ? right.failure() : new Failure(message);
  }
}
