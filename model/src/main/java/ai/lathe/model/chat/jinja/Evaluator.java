package ai.lathe.model.chat.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The value of an expression. */
final class Evaluator {

  final Limits limits;
  final Operators operators;
  private final Attributes attributes;
  private final Filters filters;
  private final Tests tests;

  /** Where the evaluation has come to, for messages. */
  int line = 1;

  Evaluator(Limits limits) {
    this.limits = limits;
    this.operators = new Operators(limits);
    this.attributes = new Attributes(operators, limits);
    this.tests = new Tests(operators);
    this.filters = new Filters(operators, attributes, tests, limits);
  }

  Object value(Expression expression, Scope scope) {
    limits.step();
    if (expression.line() > 0) {
      line = expression.line();
    }
    return switch (expression) {
      case Expression.Constant constant -> constant.value();
      case Expression.Name name -> scope.get(name.name());
      case Expression.ListOf list -> values(list.items(), scope);
      case Expression.TupleOf tuple -> Tuple.of(values(tuple.items(), scope));
      case Expression.DictOf dict -> dictionary(dict, scope);
      case Expression.Not not -> !truth(not.value(), scope);
      case Expression.Negative negative -> Operators.negative(value(negative.value(), scope));
      case Expression.Positive positive -> Operators.positive(value(positive.value(), scope));
      case Expression.And and -> {
        var left = value(and.left(), scope);
        yield truth(left) ? value(and.right(), scope) : left;
      }
      case Expression.Or or -> {
        var left = value(or.left(), scope);
        yield truth(left) ? left : value(or.right(), scope);
      }
      case Expression.Arithmetic arithmetic -> {
        var left = value(arithmetic.left(), scope);
        var right = value(arithmetic.right(), scope);
        yield operators.arithmetic(arithmetic.operator(), left, right);
      }
      case Expression.Comparison comparison -> comparison(comparison, scope);
      case Expression.Concatenation concatenation -> {
        var text = new StringBuilder();
        for (var part : concatenation.parts()) {
          text.append(text(value(part, scope)));
          limits.text(text.length());
        }
        yield text.toString();
      }
      case Expression.Conditional conditional -> {
        if (truth(conditional.condition(), scope)) {
          yield value(conditional.then(), scope);
        }
        yield conditional.otherwise() == null
            ? new Undefined("the condition is false and there is no 'else'")
            : value(conditional.otherwise(), scope);
      }
      case Expression.Attribute attribute ->
          attributes.attribute(value(attribute.value(), scope), attribute.name());
      case Expression.Subscript subscript -> {
        var base = value(subscript.value(), scope);
        yield attributes.item(base, value(subscript.index(), scope));
      }
      case Expression.Slice slice ->
          operators.slice(
              value(slice.value(), scope),
              bound(slice.from(), scope),
              bound(slice.to(), scope),
              bound(slice.step(), scope));
      case Expression.Call call ->
          call(value(call.function(), scope), arguments(call.arguments(), scope));
      case Expression.Filter filter -> filter(filter, value(filter.value(), scope), scope);
      case Expression.Test test -> {
        var value = value(test.value(), scope);
        yield tests.test(test.name(), value, arguments(test.arguments(), scope));
      }
    };
  }

  boolean truth(Expression expression, Scope scope) {
    return truth(value(expression, scope));
  }

  static boolean truth(Object value) {
    if (value instanceof Undefined undefined && undefined.message().startsWith("unsafe")) {
      throw undefined.failure();
    }
    return Operators.truth(value);
  }

  /** What a value looks like in the output. */
  String text(Object value) {
    if (value instanceof Undefined undefined && undefined.message().startsWith("unsafe")) {
      throw undefined.failure();
    }
    return (String) limits.made(Printing.text(value));
  }

  Object call(Object function, Arguments arguments) {
    if (function instanceof Callable callable) {
      limits.enter();
      int at = line;
      var result = limits.made(callable.call(arguments));
      line = at;
      limits.leave();
      return result;
    }
    throw Operators.undefined(
        function, function, "a value of type " + Printing.type(function) + " cannot be called");
  }

  /** A chain of filters on the body of a block, whose innermost has no value of its own. */
  Object chain(Expression.Filter filter, Object body, Scope scope) {
    var value =
        filter.value() == null ? body : chain((Expression.Filter) filter.value(), body, scope);
    return filter(filter, value, scope);
  }

  private Object filter(Expression.Filter filter, Object value, Scope scope) {
    return limits.made(filters.filter(filter.name(), value, arguments(filter.arguments(), scope)));
  }

  private List<Object> values(List<Expression> items, Scope scope) {
    var values = new ArrayList<Object>(items.size());
    for (var item : items) {
      values.add(value(item, scope));
    }
    return values;
  }

  private Map<Object, Object> dictionary(Expression.DictOf dict, Scope scope) {
    var map = new LinkedHashMap<Object, Object>();
    for (int i = 0; i < dict.keys().size(); i++) {
      var key = Operators.key(value(dict.keys().get(i), scope));
      map.put(key, value(dict.values().get(i), scope));
    }
    return map;
  }

  private boolean comparison(Expression.Comparison comparison, Scope scope) {
    var left = value(comparison.first(), scope);
    for (int i = 0; i < comparison.operators().size(); i++) {
      var right = value(comparison.others().get(i), scope);
      if (!operators.compare(comparison.operators().get(i), left, right)) {
        return false;
      }
      left = right;
    }
    return true;
  }

  private Long bound(Expression expression, Scope scope) {
    return switch (expression == null ? null : value(expression, scope)) {
      case null -> null;
      case Long number -> number;
      case Boolean flag -> flag ? 1L : 0L;
      case Object other ->
          throw Operators.undefined(
              other, other, "the bound of a slice is a " + Printing.type(other));
    };
  }

  Arguments arguments(Expression.Actual actual, Scope scope) {
    if (actual == Expression.Actual.NONE) {
      return Arguments.NONE;
    }
    var positional = values(actual.positional(), scope);
    var named = new LinkedHashMap<String, Object>();
    for (int i = 0; i < actual.names().size(); i++) {
      named.put(actual.names().get(i), value(actual.named().get(i), scope));
    }
    if (actual.list() != null) {
      positional.addAll(operators.items(value(actual.list(), scope)));
    }
    if (actual.map() != null) {
      if (!(value(actual.map(), scope) instanceof Map<?, ?> map)) {
        throw new Failure("what follows '**' is no dictionary");
      }
      map.forEach((key, value) -> named.put(Printing.text(key), value));
    }
    return new Arguments(positional, named);
  }
}
