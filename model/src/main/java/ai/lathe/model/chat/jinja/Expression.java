package ai.lathe.model.chat.jinja;

import java.util.List;

/** An expression of a template; {@code line} is where it begins. */
sealed interface Expression {

  int line();

  record Constant(Object value, int line) implements Expression {}

  record Name(String name, int line) implements Expression {}

  record ListOf(List<Expression> items, int line) implements Expression {}

  record TupleOf(List<Expression> items, int line) implements Expression {}

  record DictOf(List<Expression> keys, List<Expression> values, int line) implements Expression {}

  record Not(Expression value, int line) implements Expression {}

  record Negative(Expression value, int line) implements Expression {}

  record Positive(Expression value, int line) implements Expression {}

  record And(Expression left, Expression right, int line) implements Expression {}

  record Or(Expression left, Expression right, int line) implements Expression {}

  record Arithmetic(String operator, Expression left, Expression right, int line)
      implements Expression {}

  /** {@code a < b <= c}: each operator compares the neighbours. */
  record Comparison(Expression first, List<String> operators, List<Expression> others, int line)
      implements Expression {}

  /** {@code a ~ b ~ c}. */
  record Concatenation(List<Expression> parts, int line) implements Expression {}

  /**
   * {@code a if b else c}.
   *
   * @param otherwise null without {@code else}
   */
  record Conditional(Expression condition, Expression then, Expression otherwise, int line)
      implements Expression {}

  record Attribute(Expression value, String name, int line) implements Expression {}

  record Subscript(Expression value, Expression index, int line) implements Expression {}

  /** {@code value[from:to:step]}; each bound may be null. */
  record Slice(Expression value, Expression from, Expression to, Expression step, int line)
      implements Expression {}

  record Call(Expression function, Actual arguments, int line) implements Expression {}

  /**
   * {@code value|name(arguments)}.
   *
   * @param value null at the head of a filter block, which filters its body
   */
  record Filter(Expression value, String name, Actual arguments, int line) implements Expression {}

  record Test(Expression value, String name, Actual arguments, int line) implements Expression {}

  /**
   * The arguments of a call.
   *
   * @param list after {@code *}, or null
   * @param map after {@code **}, or null
   */
  record Actual(
      List<Expression> positional,
      List<String> names,
      List<Expression> named,
      Expression list,
      Expression map) {

    static final Actual NONE = new Actual(List.of(), List.of(), List.of(), null, null);
  }
}
