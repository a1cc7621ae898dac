package ai.lathe.model.chat.jinja;

import ai.lathe.model.chat.jinja.Statement.Member;
import ai.lathe.model.chat.jinja.Statement.Signature;
import ai.lathe.model.chat.jinja.Statement.Target;
import ai.lathe.model.chat.jinja.Statement.Unpack;
import ai.lathe.model.chat.jinja.Statement.Variable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;

/** Runs the statements of a template once. */
final class Interpreter {

  /** How a body ended. */
  private enum End {
    NORMAL,
    BREAK,
    CONTINUE
  }

  private final Limits limits;
  private final Evaluator evaluator;

  Interpreter(Limits limits) {
    this.limits = limits;
    this.evaluator = new Evaluator(limits);
  }

  /** Where it has come to. */
  int line() {
    return evaluator.line;
  }

  String run(List<Statement> template, Scope scope) {
    var out = new StringBuilder();
    body(template, scope, out);
    return out.toString();
  }

  private End body(List<Statement> statements, Scope scope, StringBuilder out) {
    for (var statement : statements) {
      limits.step();
      evaluator.line = statement.line();
      var end = run(statement, scope, out);
      if (end != End.NORMAL) {
        return end;
      }
    }
    return End.NORMAL;
  }

  /** A body of its own: its text, and its variables in a scope that ends with it. */
  private String text(List<Statement> statements, Scope scope) {
    var out = new StringBuilder();
    body(statements, scope, out);
    return out.toString();
  }

  private End run(Statement statement, Scope scope, StringBuilder out) {
    switch (statement) {
      case Statement.Text text -> append(text.text(), out);
      case Statement.Print print ->
          append(evaluator.text(evaluator.value(print.value(), scope)), out);
      case Statement.If branches -> {
        for (var branch : branches.branches()) {
          if (evaluator.truth(branch.condition(), scope)) {
            return body(branch.body(), scope, out);
          }
        }
      }
      case Statement.For loop -> {
        return loop(loop, evaluator.value(loop.items(), scope), scope, 0, out);
      }
      case Statement.Set set -> assign(set.target(), evaluator.value(set.value(), scope), scope);
      case Statement.SetBlock set -> {
        Object text = text(set.body(), scope.inner());
        assign(
            set.target(),
            set.filter() == null ? text : evaluator.chain(set.filter(), text, scope),
            scope);
      }
      case Statement.MacroDefinition macro ->
          scope.set(macro.signature().name(), macro(macro.signature(), scope));
      case Statement.CallBlock block -> callBlock(block, scope, out);
      case Statement.FilterBlock block -> {
        var text = text(block.body(), scope.inner());
        append(evaluator.text(evaluator.chain(block.filter(), text, scope)), out);
      }
      case Statement.With with -> {
        var inner = scope.inner();
        for (int i = 0; i < with.targets().size(); i++) {
          assign(with.targets().get(i), evaluator.value(with.values().get(i), scope), inner);
        }
        return body(with.body(), inner, out);
      }
      case Statement.Scoped scoped -> {
        return body(scoped.body(), scope.inner(), out);
      }
      case Statement.Break end -> {
        return End.BREAK;
      }
      case Statement.Continue end -> {
        return End.CONTINUE;
      }
    }
    return End.NORMAL;
  }

  private void append(String text, StringBuilder out) {
    limits.text(text.length());
    if ((long) out.length() + text.length() > Limits.LONGEST_TEXT) {
      throw new Failure("makes a text longer than " + Limits.LONGEST_TEXT + " characters");
    }
    out.append(text);
  }

  private End loop(
      Statement.For statement, Object value, Scope scope, int depth, StringBuilder out) {
    List<?> items = evaluator.operators.items(value);
    if (statement.filter() != null) {
      var kept = new ArrayList<Object>();
      for (var item : items) {
        var inner = scope.inner();
        assign(statement.target(), item, inner);
        if (evaluator.truth(statement.filter(), inner)) {
          kept.add(item);
        }
      }
      items = kept;
    }
    var loop =
        new Loop(
            items,
            depth,
            statement.recursive() ? deeper -> deeper(statement, deeper, scope, depth) : null,
            evaluator.operators);
    for (var item : items) {
      limits.step();
      loop.advance();
      var inner = scope.inner();
      inner.set("loop", loop);
      assign(statement.target(), item, inner);
      if (body(statement.body(), inner, out) == End.BREAK) {
        break;
      }
    }
    if (items.isEmpty()) {
      return body(statement.otherwise(), scope.inner(), out);
    }
    return End.NORMAL;
  }

  private String deeper(Statement.For statement, Object items, Scope scope, int depth) {
    var out = new StringBuilder();
    loop(statement, items, scope, depth + 1, out);
    return out.toString();
  }

  private void assign(Target target, Object value, Scope scope) {
    switch (target) {
      case Variable variable -> scope.set(variable.name(), value);
      case Member member -> {
        if (!(scope.get(member.namespace()) instanceof Namespace namespace)) {
          throw new Failure(
              "cannot assign attribute on non-namespace '" + member.namespace() + "'");
        }
        namespace.attributes().put(member.attribute(), value);
      }
      case Unpack unpack -> {
        var items = evaluator.operators.items(value);
        if (items.size() != unpack.targets().size()) {
          throw new Failure(
              "expected " + unpack.targets().size() + " values to unpack, found " + items.size());
        }
        for (int i = 0; i < items.size(); i++) {
          assign(unpack.targets().get(i), items.get(i), scope);
        }
      }
    }
  }

  private void callBlock(Statement.CallBlock block, Scope scope, StringBuilder out) {
    var inner = scope.inner();
    // The macro called is the only one that sees the body, as its argument 'caller'.
    var caller = macro(block.caller(), scope);
    var function = evaluator.value(block.call().function(), inner);
    var arguments = evaluator.arguments(block.call().arguments(), inner);
    var named = new LinkedHashMap<>(arguments.named());
    named.put("caller", caller);
    append(
        evaluator.text(evaluator.call(function, new Arguments(arguments.positional(), named))),
        out);
  }

  private Callable macro(Signature signature, Scope scope) {
    return arguments -> {
      var inner = scope.inner();
      bind(signature, arguments, inner);
      return text(signature.body(), inner);
    };
  }

  private void bind(Signature signature, Arguments arguments, Scope inner) {
    var parameters = signature.parameters();
    var given = arguments.positional();
    var named = new LinkedHashMap<Object, Object>(arguments.named());
    int withoutDefault = parameters.size() - signature.defaults().size();
    for (int i = 0; i < parameters.size(); i++) {
      var name = parameters.get(i);
      if (i < given.size()) {
        if (named.containsKey(name)) {
          throw new Failure(signature.name() + " has two values for its parameter '" + name + "'");
        }
        inner.set(name, given.get(i));
      } else if (named.containsKey(name)) {
        inner.set(name, named.remove(name));
      } else if (i >= withoutDefault) {
        inner.set(name, evaluator.value(signature.defaults().get(i - withoutDefault), inner));
      } else {
        inner.set(name, new Undefined("parameter '" + name + "' was not provided"));
      }
    }
    if (signature.names().contains("caller") && !parameters.contains("caller")) {
      inner.set("caller", named.getOrDefault("caller", new Undefined("'caller' is undefined")));
      named.remove("caller");
    }
    if (signature.names().contains("kwargs")) {
      inner.set("kwargs", named);
    } else if (!named.isEmpty()) {
      throw new Failure(
          signature.name() + " has no parameter '" + named.keySet().iterator().next() + "'");
    }
    if (signature.names().contains("varargs")) {
      inner.set(
          "varargs",
          Tuple.of(
              new ArrayList<>(
                  given.subList(Math.min(parameters.size(), given.size()), given.size()))));
    } else if (given.size() > parameters.size()) {
      throw new Failure(
          signature.name()
              + " takes at most "
              + parameters.size()
              + " arguments, not "
              + given.size());
    }
  }
}
