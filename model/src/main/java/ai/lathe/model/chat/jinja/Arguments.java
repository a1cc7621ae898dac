package ai.lathe.model.chat.jinja;

import java.util.List;
import java.util.Map;

/** The arguments of a call as Python binds them. */
record Arguments(List<Object> positional, Map<String, Object> named) {

  static final Arguments NONE = new Arguments(List.of(), Map.of());

  /** Fails unless every argument is one of the parameters, given once. */
  Arguments only(String function, String... parameters) {
    if (positional.size() > parameters.length) {
      throw new Failure(
          function + " takes at most " + parameters.length + " arguments, not " + size());
    }
    for (var name : named.keySet()) {
      int at = List.of(parameters).indexOf(name);
      if (at < 0) {
        throw new Failure(function + " has no parameter '" + name + "'");
      }
      if (at < positional.size()) {
        throw new Failure(function + " has two values for its parameter '" + name + "'");
      }
    }
    return this;
  }

  int size() {
    return positional.size() + named.size();
  }

  boolean has(int position, String name) {
    return position < positional.size() || named.containsKey(name);
  }

  Object get(int position, String name, Object otherwise) {
    if (position < positional.size()) {
      return positional.get(position);
    }
    return named.getOrDefault(name, otherwise);
  }

  Object get(int position, String name) {
    if (!has(position, name)) {
      throw new Failure("the argument '" + name + "' is missing");
    }
    return get(position, name, null);
  }

  String string(int position, String name, String otherwise) {
    var value = get(position, name, otherwise);
    if (value instanceof String text) {
      return text;
    }
    throw new Failure("'" + name + "' must be a string, not " + Printing.type(value));
  }

  String string(int position, String name) {
    return string(position, name, get(position, name) instanceof String text ? text : null);
  }

  long integer(int position, String name, long otherwise) {
    var value = get(position, name, otherwise);
    return switch (value) {
      case Long number -> number;
      case Boolean flag -> flag ? 1 : 0;
      case null, default ->
          throw new Failure("'" + name + "' must be an integer, not " + Printing.type(value));
    };
  }

  /** The arguments after the first ones. */
  Arguments from(int position) {
    return new Arguments(
        positional.subList(Math.min(position, positional.size()), positional.size()), named);
  }
}
