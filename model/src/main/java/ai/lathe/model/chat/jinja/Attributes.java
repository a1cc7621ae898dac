package ai.lathe.model.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What follows a dot or stands in brackets. There is nothing here of Java's: a value has the items
 * that it holds and the methods named in this class and in {@link StringMethods}. As in the sandbox
 * that chat templates are written for, methods that change a list or a dictionary are refused.
 */
final class Attributes {

  private static final Set<String> CHANGES =
      Set.of(
          "append",
          "clear",
          "extend",
          "insert",
          "pop",
          "popitem",
          "remove",
          "reverse",
          "setdefault",
          "sort",
          "update",
          "add",
          "discard");

  private final Operators operators;
  private final StringMethods strings;
  private final Limits limits;

  Attributes(Operators operators, Limits limits) {
    this.operators = operators;
    this.strings = new StringMethods(operators, limits);
    this.limits = limits;
  }

  /** {@code value.name}: a method before an item. */
  Object attribute(Object value, String name) {
    var method = method(value, name);
    if (method != null) {
      return method;
    }
    var items =
        switch (value) {
          case Map<?, ?> map -> map;
          case Namespace namespace -> namespace.attributes();
          case null, default -> Map.of();
        };
    return items.containsKey(name) ? items.get(name) : missing(value, name);
  }

  /** {@code value[index]}: an item before a method. */
  Object item(Object value, Object index) {
    if (value instanceof Map<?, ?> map) {
      var key = Operators.key(index);
      if (map.containsKey(key)) {
        return map.get(key);
      }
    } else if (index instanceof Long number) {
      int size =
          switch (value) {
            case List<?> list -> list.size();
            case String text -> Characters.length(text);
            case null, default -> 0;
          };
      long at = number < 0 ? number + size : number;
      if (at >= 0 && at < size) {
        return value instanceof List<?> list
            ? list.get((int) at)
            : Characters.at((String) value, (int) at);
      }
    }
    if (index instanceof String name) {
      return attribute(value, name);
    }
    return missing(value, Printing.text(index));
  }

  private static Object missing(Object value, String name) {
    if (value instanceof Undefined undefined) {
      throw undefined.failure();
    }
    return new Undefined("'" + Printing.type(value) + "' has no attribute '" + name + "'");
  }

  /** {@code a.b.0}, as filters name what they look at. */
  Object path(Object value, Object path) {
    if (path instanceof Long) {
      return item(value, path);
    }
    for (var part : Printing.text(path).split("\\.")) {
      value = part.matches("[0-9]{1,9}") ? item(value, Long.parseLong(part)) : item(value, part);
    }
    return value;
  }

  private Object method(Object value, String name) {
    return switch (value) {
      case String text -> strings.method(text, name);
      case Map<?, ?> map -> dictionaryMethod(map, name);
      case List<?> list -> listMethod(list, name);
      case Loop loop -> loop.attribute(name);
      case null, default -> null;
    };
  }

  private Object dictionaryMethod(Map<?, ?> map, String name) {
    return switch (name) {
      case "items" -> (Callable) arguments -> entries(map);
      case "keys" -> (Callable) arguments -> new ArrayList<Object>(map.keySet());
      case "values" -> (Callable) arguments -> new ArrayList<Object>(map.values());
      case "copy" -> (Callable) arguments -> Operators.copy(map);
      case "get" ->
          (Callable)
              arguments -> {
                arguments.only("get", "key", "default");
                var key = Operators.key(arguments.get(0, "key"));
                return map.containsKey(key) ? map.get(key) : arguments.get(1, "default", null);
              };
      default -> CHANGES.contains(name) ? refused(name) : null;
    };
  }

  static List<Object> entries(Map<?, ?> map) {
    var entries = new ArrayList<Object>(map.size());
    map.forEach((key, value) -> entries.add(new Tuple(key, value)));
    return entries;
  }

  private Object listMethod(List<?> list, String name) {
    return switch (name) {
      case "copy" -> (Callable) arguments -> new ArrayList<Object>(list);
      case "count" ->
          (Callable)
              arguments ->
                  list.stream()
                      .filter(item -> operators.equal(item, arguments.get(0, "value")))
                      .count();
      case "index" ->
          (Callable)
              arguments -> {
                for (int i = 0; i < list.size(); i++) {
                  if (operators.equal(list.get(i), arguments.get(0, "value"))) {
                    return (long) i;
                  }
                }
                throw new Failure("the value is not in the list");
              };
      default -> CHANGES.contains(name) ? refused(name) : null;
    };
  }

  /** Python's sandbox fails on every use of such a method, not on its name. */
  private static Undefined refused(String name) {
    return new Undefined("unsafe: a template may not call '" + name + "'");
  }
}
