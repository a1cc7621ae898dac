package ai.lathe.model.chat.jinja;

import ai.lathe.model.chat.jinja.Expression.Actual;
import ai.lathe.model.chat.jinja.Token.Type;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Expressions, with the precedence of Jinja2. */
class ExpressionParser {

  private static final int DEEPEST = 200;
  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

  private final List<Token> tokens;
  private int at;
  private int depth;

  /** Every name read since the macro around began. */
  Set<String> names = new HashSet<>();

  ExpressionParser(List<Token> tokens) {
    this.tokens = tokens;
  }

  final Token current() {
    return tokens.get(at);
  }

  final Token ahead() {
    return tokens.get(Math.min(at + 1, tokens.size() - 1));
  }

  final Token next() {
    var token = current();
    if (at < tokens.size() - 1) {
      at++;
    }
    return token;
  }

  final boolean isOperator(String operator) {
    return current().is(Type.OPERATOR, operator);
  }

  final boolean isName(String name) {
    return current().is(Type.NAME, name);
  }

  final boolean skip(String operator) {
    if (isOperator(operator)) {
      next();
      return true;
    }
    return false;
  }

  final boolean skipName(String name) {
    if (isName(name)) {
      next();
      return true;
    }
    return false;
  }

  final void expect(String operator) {
    if (!skip(operator)) {
      throw unexpected("'" + operator + "'");
    }
  }

  final String expectName() {
    if (!current().is(Type.NAME)) {
      throw unexpected("a name");
    }
    return next().text();
  }

  final Token expect(Type type, String description) {
    if (!current().is(type)) {
      throw unexpected(description);
    }
    return next();
  }

  final SyntaxFailure unexpected(String wanted) {
    return new SyntaxFailure(
        "expected " + wanted + ", found " + current().description(), current().line());
  }

  /** Guards the recursion: what nests deeper is an attack on the stack. */
  final void enter() {
    if (++depth > DEEPEST) {
      throw new SyntaxFailure("nested more than " + DEEPEST + " deep", current().line());
    }
  }

  final void leave() {
    depth--;
  }

  final Expression expression() {
    enter();
    int line = current().line();
    var value = or();
    while (skipName("if")) {
      var condition = or();
      var otherwise = skipName("else") ? expression() : null;
      value = new Expression.Conditional(condition, value, otherwise, line);
    }
    leave();
    return value;
  }

  /**
   * {@code a, b} is a tuple, {@code a} is not; without conditionals where a loop's filter follows.
   */
  final Expression tuple(boolean conditionals) {
    int line = current().line();
    var items = new ArrayList<Expression>();
    boolean commas = false;
    while (true) {
      if (tupleEnds()) {
        break;
      }
      items.add(conditionals ? expression() : or());
      if (!skip(",")) {
        break;
      }
      commas = true;
    }
    if (items.isEmpty()) {
      throw unexpected("an expression");
    }
    return commas ? new Expression.TupleOf(List.copyOf(items), line) : items.getFirst();
  }

  private boolean tupleEnds() {
    return current().is(Type.BLOCK_END)
        || current().is(Type.PRINT_END)
        || isOperator(")")
        || isName("recursive");
  }

  private Expression or() {
    int line = current().line();
    var left = and();
    while (skipName("or")) {
      left = new Expression.Or(left, and(), line);
    }
    return left;
  }

  private Expression and() {
    int line = current().line();
    var left = not();
    while (skipName("and")) {
      left = new Expression.And(left, not(), line);
    }
    return left;
  }

  private Expression not() {
    int line = current().line();
    if (skipName("not")) {
      enter();
      var value = not();
      leave();
      return new Expression.Not(value, line);
    }
    return comparison();
  }

  private Expression comparison() {
    int line = current().line();
    var first = sum();
    var operators = new ArrayList<String>();
    var others = new ArrayList<Expression>();
    while (true) {
      if (current().is(Type.OPERATOR) && COMPARISONS.contains(current().text())) {
        operators.add(next().text());
      } else if (skipName("in")) {
        operators.add("in");
      } else if (isName("not") && ahead().is(Type.NAME, "in")) {
        next();
        next();
        operators.add("not in");
      } else {
        break;
      }
      others.add(sum());
    }
    return others.isEmpty()
        ? first
        : new Expression.Comparison(first, List.copyOf(operators), List.copyOf(others), line);
  }

  private Expression sum() {
    int line = current().line();
    var left = concatenation();
    while (isOperator("+") || isOperator("-")) {
      left = new Expression.Arithmetic(next().text(), left, concatenation(), line);
    }
    return left;
  }

  private Expression concatenation() {
    int line = current().line();
    var parts = new ArrayList<Expression>(List.of(product()));
    while (skip("~")) {
      parts.add(product());
    }
    return parts.size() == 1
        ? parts.getFirst()
        : new Expression.Concatenation(List.copyOf(parts), line);
  }

  private Expression product() {
    int line = current().line();
    var left = power();
    while (isOperator("*") || isOperator("/") || isOperator("//") || isOperator("%")) {
      left = new Expression.Arithmetic(next().text(), left, power(), line);
    }
    return left;
  }

  private Expression power() {
    int line = current().line();
    var left = unary(true);
    while (skip("**")) {
      left = new Expression.Arithmetic("**", left, unary(true), line);
    }
    return left;
  }

  private Expression unary(boolean filters) {
    enter();
    int line = current().line();
    Expression value;
    if (skip("-")) {
      value = new Expression.Negative(unary(false), line);
    } else if (skip("+")) {
      value = new Expression.Positive(unary(false), line);
    } else {
      value = primary();
    }
    value = postfix(value);
    value = filters ? filters(value) : value;
    leave();
    return value;
  }

  private Expression primary() {
    var token = next();
    int line = token.line();
    return switch (token.type()) {
      case NAME -> name(token);
      case STRING -> {
        var text = new StringBuilder(token.text());
        while (current().is(Type.STRING)) {
          text.append(next().text());
        }
        yield new Expression.Constant(text.toString(), line);
      }
      case INTEGER, FLOAT -> number(token);
      case OPERATOR -> {
        switch (token.text()) {
          case "(" -> {
            var value = isOperator(")") ? new Expression.TupleOf(List.of(), line) : tuple(true);
            expect(")");
            yield value;
          }
          case "[" -> {
            var items = new ArrayList<Expression>();
            while (!isOperator("]")) {
              items.add(expression());
              if (!skip(",")) {
                break;
              }
            }
            expect("]");
            yield new Expression.ListOf(List.copyOf(items), line);
          }
          case "{" -> {
            yield dictionary(line);
          }
          default -> throw notAnExpression(token);
        }
      }
      default -> throw notAnExpression(token);
    };
  }

  private static SyntaxFailure notAnExpression(Token token) {
    return new SyntaxFailure("expected an expression, found " + token.description(), token.line());
  }

  private Expression name(Token token) {
    return switch (token.text()) {
      case "true", "True" -> new Expression.Constant(true, token.line());
      case "false", "False" -> new Expression.Constant(false, token.line());
      case "none", "None" -> new Expression.Constant(null, token.line());
      default -> {
        names.add(token.text());
        yield new Expression.Name(token.text(), token.line());
      }
    };
  }

  private static Expression number(Token token) {
    try {
      return new Expression.Constant(
          token.is(Type.FLOAT)
              ? (Object) Double.parseDouble(token.text())
              : (Object) Long.parseLong(token.text()),
          token.line());
    } catch (NumberFormatException e) {
      throw new SyntaxFailure("the number " + token.text() + " is too large", token.line());
    }
  }

  private Expression dictionary(int line) {
    var keys = new ArrayList<Expression>();
    var values = new ArrayList<Expression>();
    while (!isOperator("}")) {
      keys.add(expression());
      expect(":");
      values.add(expression());
      if (!skip(",")) {
        break;
      }
    }
    expect("}");
    return new Expression.DictOf(List.copyOf(keys), List.copyOf(values), line);
  }

  private Expression postfix(Expression value) {
    while (true) {
      int line = current().line();
      if (skip(".")) {
        value =
            current().is(Type.INTEGER)
                ? new Expression.Subscript(value, number(next()), line)
                : new Expression.Attribute(value, expectName(), line);
      } else if (skip("[")) {
        value = subscript(value, line);
        expect("]");
      } else if (isOperator("(")) {
        value = new Expression.Call(value, arguments(), line);
      } else {
        return value;
      }
    }
  }

  private Expression subscript(Expression value, int line) {
    var from = isOperator(":") ? null : expression();
    if (!skip(":")) {
      return new Expression.Subscript(value, from, line);
    }
    var to = isOperator(":") || isOperator("]") ? null : expression();
    var step = skip(":") && !isOperator("]") ? expression() : null;
    return new Expression.Slice(value, from, to, step, line);
  }

  /** Filters, tests and calls after a value. */
  private Expression filters(Expression value) {
    while (true) {
      int line = current().line();
      if (isOperator("|")) {
        value = filter(value);
      } else if (skipName("is")) {
        value = test(value, line);
      } else if (isOperator("(")) {
        value = new Expression.Call(value, arguments(), line);
      } else {
        return value;
      }
    }
  }

  private Expression.Filter filter(Expression value) {
    expect("|");
    return filterNamed(value);
  }

  /** A chain of filters; the first has no bar before it where a block filters its body. */
  final Expression.Filter filterChain(boolean bar) {
    var filter = bar ? filter(null) : filterNamed(null);
    while (isOperator("|")) {
      filter = filter(filter);
    }
    return filter;
  }

  private Expression.Filter filterNamed(Expression value) {
    int line = current().line();
    var name = dotted();
    return new Expression.Filter(value, name, isOperator("(") ? arguments() : Actual.NONE, line);
  }

  private String dotted() {
    var name = new StringBuilder(expectName());
    while (skip(".")) {
      name.append('.').append(expectName());
    }
    return name.toString();
  }

  private Expression test(Expression value, int line) {
    boolean negated = skipName("not");
    var name = dotted();
    var arguments = Actual.NONE;
    if (isOperator("(")) {
      arguments = arguments();
    } else if (testsAgainst(current())) {
      var argument = postfix(primary());
      arguments = new Actual(List.of(argument), List.of(), List.of(), null, null);
    }
    var test = new Expression.Test(value, name, arguments, line);
    return negated ? new Expression.Not(test, line) : test;
  }

  /** Whether what follows a test's name is its argument: {@code x is divisibleby 3}. */
  private boolean testsAgainst(Token token) {
    return switch (token.type()) {
      case NAME -> {
        if (token.text().equals("is")) {
          throw new SyntaxFailure("two tests in a row need parentheses", token.line());
        }
        yield !Set.of("else", "or", "and").contains(token.text());
      }
      case STRING, INTEGER, FLOAT -> true;
      case OPERATOR -> "([{".contains(token.text());
      default -> false;
    };
  }

  final Actual arguments() {
    expect("(");
    var positional = new ArrayList<Expression>();
    var keys = new ArrayList<String>();
    var named = new ArrayList<Expression>();
    Expression list = null;
    Expression map = null;
    while (!isOperator(")")) {
      if (skip("*")) {
        list = expression();
      } else if (skip("**")) {
        map = expression();
      } else if (current().is(Type.NAME) && ahead().is(Type.OPERATOR, "=")) {
        keys.add(next().text());
        next();
        named.add(expression());
      } else if (keys.isEmpty() && map == null) {
        positional.add(expression());
      } else {
        throw new SyntaxFailure("an argument without a name after one with", current().line());
      }
      if (!skip(",")) {
        break;
      }
    }
    expect(")");
    return new Actual(List.copyOf(positional), List.copyOf(keys), List.copyOf(named), list, map);
  }
}
