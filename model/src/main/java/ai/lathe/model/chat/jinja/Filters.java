package ai.lathe.model.chat.jinja;

import ai.lathe.tensor.LatheException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What follows a bar. */
final class Filters {

  static final List<String> NAMES =
      List.of(
          "abs",
          "attr",
          "capitalize",
          "count",
          "d",
          "default",
          "dictsort",
          "e",
          "escape",
          "first",
          "float",
          "forceescape",
          "format",
          "groupby",
          "indent",
          "int",
          "items",
          "join",
          "last",
          "length",
          "list",
          "lower",
          "map",
          "max",
          "min",
          "reject",
          "rejectattr",
          "replace",
          "reverse",
          "round",
          "safe",
          "select",
          "selectattr",
          "sort",
          "string",
          "sum",
          "title",
          "tojson",
          "trim",
          "unique",
          "upper",
          "wordcount");

  private final Operators operators;
  private final Attributes attributes;
  private final Tests tests;
  private final Limits limits;

  Filters(Operators operators, Attributes attributes, Tests tests, Limits limits) {
    this.operators = operators;
    this.attributes = attributes;
    this.tests = tests;
    this.limits = limits;
  }

  Object filter(String name, Object value, Arguments a) {
    return switch (name) {
      case "tojson" -> JsonText.of(value, a);
      case "default", "d" -> {
        a.only(name, "default_value", "boolean");
        boolean absent =
            value instanceof Undefined
                || Operators.truth(a.get(1, "boolean", false)) && !Operators.truth(value);
        yield absent ? a.get(0, "default_value", "") : value;
      }
      case "length", "count" -> length(value);
      case "trim" ->
          Characters.strip(
              text(value),
              a.get(0, "chars", null) == null ? null : a.string(0, "chars"),
              true,
              true);
      case "string", "safe" -> text(value);
      case "upper" -> text(value).toUpperCase(Locale.ROOT);
      case "lower" -> text(value).toLowerCase(Locale.ROOT);
      case "capitalize" -> StringMethods.capitalize(text(value));
      case "title" -> title(text(value));
      case "replace" ->
          StringMethods.replace(
              text(value),
              text(a.get(0, "old")),
              text(a.get(1, "new")),
              a.get(2, "count", null) == null ? -1 : a.integer(2, "count", -1),
              limits);
      case "join" -> {
        a.only(name, "d", "attribute");
        var items = operators.items(value);
        yield StringMethods.join(
            text(a.get(0, "d", "")),
            a.has(1, "attribute") ? mapped(items, a.get(1, "attribute")) : items,
            limits,
            /* strict= */ false);
      }
      case "indent" -> indent(text(value), a.only(name, "width", "first", "blank"));
      case "escape", "e", "forceescape" -> escape(text(value));
      case "format" -> Formats.percent(text(value), a.positional(), limits);
      case "first" -> end(operators.items(value), true);
      case "last" -> {
        if (value instanceof Generated) {
          throw new Failure("a generator has no last item; make it a list first");
        }
        yield end(operators.items(value), false);
      }
      case "list" -> new ArrayList<Object>(operators.items(value));
      case "items" -> new Generated(items(value));
      case "reverse" -> reversed(value);
      case "map" -> new Generated(map(value, a));
      case "select", "reject" ->
          new Generated(select(value, a, name.equals("select"), /* byAttribute= */ false));
      case "selectattr", "rejectattr" ->
          new Generated(select(value, a, name.equals("selectattr"), /* byAttribute= */ true));
      case "attr" -> attributes.attribute(value, a.string(0, "name"));
      case "sort" -> sort(value, a.only(name, "reverse", "case_sensitive", "attribute"));
      case "dictsort" -> dictSort(value, a.only(name, "case_sensitive", "by", "reverse"));
      case "unique" -> new Generated(unique(value, a.only(name, "case_sensitive", "attribute")));
      case "groupby" -> groupBy(value, a);
      case "min", "max" -> extreme(value, a, name.equals("max"));
      case "sum" -> sum(value, a.only(name, "attribute", "start"));
      case "abs" -> {
        boolean negative = operators.compare("<", value, 0L);
        yield negative ? Operators.negative(value) : Operators.positive(value);
      }
      case "round" -> round(value, a.only(name, "precision", "method"));
      case "int" -> integer(value, a);
      case "float" -> real(value, a);
      case "wordcount" -> (long) text(value).split("\\W+").length;
      default -> throw new Failure(LatheException.unknown("filter", name, NAMES).getMessage());
    };
  }

  private static String text(Object value) {
    return Printing.text(value);
  }

  private static Object length(Object value) {
    return switch (value) {
      case String text -> (long) Characters.length(text);
      case List<?> list -> (long) list.size();
      case Map<?, ?> map -> (long) map.size();
      case Undefined undefined -> 0L;
      case null, default -> throw new Failure("a " + Printing.type(value) + " has no length");
    };
  }

  /** A capital after white space, a hyphen or an opening bracket. */
  private static String title(String text) {
    var out = new StringBuilder();
    boolean inside = false;
    for (int c : text.codePoints().toArray()) {
      boolean splits = Characters.isSpace(c) || "-({[<".indexOf(c) >= 0;
      out.append(
          inside
              ? Character.toString(c).toLowerCase(Locale.ROOT)
              : Character.toString(c).toUpperCase(Locale.ROOT));
      inside = !splits;
    }
    return out.toString();
  }

  private String indent(String text, Arguments a) {
    var width =
        a.get(0, "width", 4L) instanceof String own
            ? own
            : " ".repeat((int) Math.clamp(a.integer(0, "width", 4), 0, 1000));
    var lines = StringMethods.lines(text + "\n", false);
    limits.text(text.length() + Operators.product(lines.size(), width.length()));
    boolean blank = Operators.truth(a.get(2, "blank", false));
    var out = new StringBuilder(Operators.truth(a.get(1, "first", false)) ? width : "");
    for (int i = 0; i < lines.size(); i++) {
      var line = (String) lines.get(i);
      out.append(i == 0 ? "" : "\n");
      out.append(i > 0 && (blank || !line.isEmpty()) ? width : "").append(line);
    }
    return out.toString();
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("'", "&#39;")
        .replace("\"", "&#34;");
  }

  private static Object end(List<?> items, boolean first) {
    if (items.isEmpty()) {
      return new Undefined(
          first ? "No first item, sequence was empty." : "No last item, sequence was empty.");
    }
    return first ? items.getFirst() : items.getLast();
  }

  private static List<Object> items(Object value) {
    return switch (value) {
      case Map<?, ?> map -> Attributes.entries(map);
      case Undefined undefined -> List.of();
      case null, default -> throw new Failure("'items' lists no " + Printing.type(value));
    };
  }

  private Object reversed(Object value) {
    var items = new ArrayList<Object>(operators.items(value)).reversed();
    return value instanceof String
        ? StringMethods.join("", items, limits, true)
        : new Generated(items);
  }

  private List<Object> mapped(List<?> items, Object path) {
    var values = new ArrayList<Object>();
    for (var item : items) {
      limits.step();
      values.add(attributes.path(item, path));
    }
    return values;
  }

  private List<Object> map(Object value, Arguments a) {
    var result = new ArrayList<Object>();
    for (var item : nonEmpty(value)) {
      limits.step();
      if (a.positional().isEmpty() && a.named().containsKey("attribute")) {
        var found = attributes.path(item, a.named().get("attribute"));
        result.add(found instanceof Undefined ? a.named().getOrDefault("default", found) : found);
      } else {
        result.add(limits.made(filter(a.string(0, "filter"), item, a.from(1))));
      }
    }
    return result;
  }

  private List<Object> select(Object value, Arguments a, boolean keep, boolean byAttribute) {
    int test = byAttribute ? 1 : 0;
    var result = new ArrayList<Object>();
    for (var item : nonEmpty(value)) {
      limits.step();
      var tested = byAttribute ? attributes.path(item, a.get(0, "attribute")) : item;
      boolean holds =
          a.positional().size() > test
              ? tests.test(Printing.text(a.positional().get(test)), tested, a.from(test + 1))
              : Operators.truth(tested);
      if (holds == keep) {
        result.add(item);
      }
    }
    return result;
  }

  /** These filters take everything that is false for an empty list. */
  private List<?> nonEmpty(Object value) {
    return Evaluator.truth(value) ? operators.items(value) : List.of();
  }

  private Object folded(Object value, boolean caseSensitive) {
    return value instanceof String text && !caseSensitive ? text.toLowerCase(Locale.ROOT) : value;
  }

  private Comparator<Object> order(Object attribute, boolean caseSensitive) {
    return (left, right) -> {
      var a = attribute == null ? left : attributes.path(left, attribute);
      var b = attribute == null ? right : attributes.path(right, attribute);
      return operators.compare(folded(a, caseSensitive), folded(b, caseSensitive));
    };
  }

  private List<Object> sort(Object value, Arguments a) {
    var order =
        order(a.get(2, "attribute", null), Operators.truth(a.get(1, "case_sensitive", false)));
    var sorted = new ArrayList<Object>(operators.items(value));
    // Equal ones keep their order in both directions.
    sorted.sort(Operators.truth(a.get(0, "reverse", false)) ? order.reversed() : order);
    return sorted;
  }

  private List<Object> dictSort(Object value, Arguments a) {
    if (!(value instanceof Map<?, ?> map)) {
      throw Operators.undefined(value, value, "'dictsort' sorts no " + Printing.type(value));
    }
    var by = a.string(1, "by", "key").equals("key") ? 0L : 1L;
    var order = order(by, Operators.truth(a.get(0, "case_sensitive", false)));
    var sorted = Attributes.entries(map);
    sorted.sort(Operators.truth(a.get(2, "reverse", false)) ? order.reversed() : order);
    return sorted;
  }

  private List<Object> unique(Object value, Arguments a) {
    boolean caseSensitive = Operators.truth(a.get(0, "case_sensitive", false));
    var attribute = a.get(1, "attribute", null);
    var seen = new ArrayList<Object>();
    var result = new ArrayList<Object>();
    for (var item : operators.items(value)) {
      var key = folded(attribute == null ? item : attributes.path(item, attribute), caseSensitive);
      if (!operators.contains(seen, key)) {
        seen.add(key);
        result.add(item);
      }
    }
    return result;
  }

  private List<Object> groupBy(Object value, Arguments a) {
    a.only("groupby", "attribute", "default", "case_sensitive");
    var path = a.get(0, "attribute");
    var sorted = new ArrayList<Object>(operators.items(value));
    sorted.sort(order(path, Operators.truth(a.get(2, "case_sensitive", false))));
    var groups = new ArrayList<Object>();
    List<Object> members = null;
    Object last = null;
    for (var item : sorted) {
      var key = attributes.path(item, path);
      if (members == null || !operators.equal(folded(key, false), folded(last, false))) {
        members = new ArrayList<>();
        groups.add(new Tuple(key, members));
        last = key;
      }
      members.add(item);
    }
    return groups;
  }

  private Object extreme(Object value, Arguments a, boolean largest) {
    a.only(largest ? "max" : "min", "case_sensitive", "attribute");
    var order =
        order(a.get(1, "attribute", null), Operators.truth(a.get(0, "case_sensitive", false)));
    Object best = null;
    boolean any = false;
    for (var item : operators.items(value)) {
      int sign = any ? order.compare(item, best) : largest ? 1 : -1;
      best = largest ? sign > 0 ? item : best : sign < 0 ? item : best;
      any = true;
    }
    return any ? best : new Undefined("No aggregated item, sequence was empty.");
  }

  private Object sum(Object value, Arguments a) {
    var attribute = a.get(0, "attribute", null);
    var sum = a.get(1, "start", 0L);
    for (var item : operators.items(value)) {
      var summand = attribute == null ? item : attributes.path(item, attribute);
      sum = operators.arithmetic("+", sum, summand);
    }
    return sum;
  }

  private static Object round(Object value, Arguments a) {
    if (!Operators.isNumber(value)) {
      throw Operators.undefined(value, value, "'round' rounds no " + Printing.type(value));
    }
    double number = Operators.real(value);
    if (Double.isNaN(number) || Double.isInfinite(number)) {
      return number;
    }
    int digits = (int) Math.clamp(a.integer(0, "precision", 0), -300, 300);
    var mode =
        switch (a.string(1, "method", "common")) {
          case "common" -> RoundingMode.HALF_EVEN;
          case "ceil" -> RoundingMode.CEILING;
          case "floor" -> RoundingMode.FLOOR;
          default -> throw new Failure("method must be common, ceil or floor");
        };
    return new BigDecimal(number).setScale(digits, mode).doubleValue();
  }

  private static Object integer(Object value, Arguments a) {
    a.only("int", "default", "base");
    var otherwise = a.get(0, "default", 0L);
    try {
      return switch (value) {
        case Boolean flag -> flag ? 1L : 0L;
        case Double number ->
            Double.isNaN(number) || Double.isInfinite(number)
                ? otherwise
                : (Object) number.longValue();
        case Number number -> number;
        case String text -> {
          var digits = Characters.strip(text, null, true, true).replace("_", "");
          int base = (int) Math.clamp(a.integer(1, "base", 10), 2, 36);
          yield digits.matches("[+-]?[0-9a-zA-Z]+") && !digits.matches("[+-]?[0-9]+[eE].*")
              ? (Object) Long.parseLong(digits, base)
              : (Object) (long) Double.parseDouble(digits);
        }
        case null, default -> otherwise;
      };
    } catch (NumberFormatException e) {
      return otherwise;
    }
  }

  private static Object real(Object value, Arguments a) {
    try {
      return switch (value) {
        case String text -> Double.parseDouble(Characters.strip(text, null, true, true));
        case null -> a.get(0, "default", 0.0);
        default -> Operators.isNumber(value) ? Operators.real(value) : a.get(0, "default", 0.0);
      };
    } catch (NumberFormatException e) {
      return a.get(0, "default", 0.0);
    }
  }
}
