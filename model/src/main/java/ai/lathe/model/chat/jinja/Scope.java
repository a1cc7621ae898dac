package ai.lathe.model.chat.jinja;

import java.util.HashMap;
import java.util.Map;

/** Variables; those of the scopes around are read, never set. */
final class Scope {

  private final Scope parent;
  private final Map<String, Object> variables;

  private Scope(Scope parent, Map<String, Object> variables) {
    this.parent = parent;
    this.variables = variables;
  }

  static Scope of(Map<String, Object> variables) {
    return new Scope(null, variables);
  }

  Scope inner() {
    return new Scope(this, new HashMap<>());
  }

  void set(String name, Object value) {
    variables.put(name, value);
  }

  Object get(String name) {
    for (var scope = this; scope != null; scope = scope.parent) {
      if (scope.variables.containsKey(name)) {
        return scope.variables.get(name);
      }
    }
    return new Undefined("'" + name + "' is undefined");
  }
}
