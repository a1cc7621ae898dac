package ai.lathe.model.chat.jinja;

import ai.lathe.model.chat.jinja.Statement.Branch;
import ai.lathe.model.chat.jinja.Statement.Signature;
import ai.lathe.model.chat.jinja.Statement.Target;
import ai.lathe.model.chat.jinja.Token.Type;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;

/** The statements of a template. */
final class Parser extends ExpressionParser {

  private static final Expression TRUE = new Expression.Constant(true, 0);

  private int loops;

  private Parser(List<Token> tokens) {
    super(tokens);
  }

  /** Throws {@link SyntaxFailure}. */
  static List<Statement> parse(String template) {
    var parser = new Parser(Lexer.tokens(template));
    var body = parser.body();
    if (!parser.current().is(Type.END)) {
      parser.next();
      throw new SyntaxFailure(
          "'" + parser.current().text() + "' without its beginning", parser.current().line());
    }
    return body;
  }

  /** Statements up to a tag that none of them begins with; it stays to be read. */
  private List<Statement> body() {
    enter();
    var statements = new ArrayList<Statement>();
    while (true) {
      var token = current();
      switch (token.type()) {
        case TEXT -> statements.add(new Statement.Text(next().text(), token.line()));
        case PRINT_BEGIN -> {
          next();
          statements.add(new Statement.Print(tuple(true), token.line()));
          expect(Type.PRINT_END, "'}}'");
        }
        case BLOCK_BEGIN -> {
          if (ends(ahead().text())) {
            leave();
            return List.copyOf(statements);
          }
          next();
          statements.add(statement());
        }
        default -> {
          leave();
          return List.copyOf(statements);
        }
      }
    }
  }

  private static boolean ends(String name) {
    return name.startsWith("end") || name.equals("else") || name.equals("elif");
  }

  private Statement statement() {
    int line = current().line();
    var name = expectName();
    return switch (name) {
      case "if" -> conditional(line);
      case "for" -> loop(line);
      case "set" -> assignment(line);
      case "macro" -> new Statement.MacroDefinition(macro(), line);
      case "call" -> call(line);
      case "filter" -> {
        var filter = filterChain(/* bar= */ false);
        yield new Statement.FilterBlock(filter, rest("filter", line), line);
      }
      case "with" -> with(line);
      case "generation" -> new Statement.Scoped(rest("generation", line), line);
      case "break", "continue" -> {
        if (loops == 0) {
          throw new SyntaxFailure("'" + name + "' outside of a loop", line);
        }
        blockEnd();
        yield name.equals("break") ? new Statement.Break(line) : new Statement.Continue(line);
      }
      case "extends", "include", "import", "from", "block" ->
          throw new SyntaxFailure(
              "'" + name + "' joins files; a chat template is a single one", line);
      default -> throw new SyntaxFailure("unknown tag '" + name + "'", line);
    };
  }

  private void blockEnd() {
    expect(Type.BLOCK_END, "'%}'");
  }

  /** The end of a tag, a body, and its {@code end...} tag. */
  private List<Statement> rest(String name, int line) {
    blockEnd();
    var body = body();
    end(name, line);
    return body;
  }

  private void end(String name, int line) {
    if (!current().is(Type.BLOCK_BEGIN) || !ahead().is(Type.NAME, "end" + name)) {
      throw new SyntaxFailure("'" + name + "' without 'end" + name + "'", line);
    }
    next();
    next();
    blockEnd();
  }

  private Statement conditional(int line) {
    var branches = new ArrayList<Branch>();
    var condition = tuple(/* conditionals= */ false);
    while (true) {
      blockEnd();
      branches.add(new Branch(condition, body()));
      if (current().is(Type.BLOCK_BEGIN) && ahead().is(Type.NAME, "elif")) {
        next();
        next();
        condition = tuple(/* conditionals= */ false);
      } else if (current().is(Type.BLOCK_BEGIN)
          && ahead().is(Type.NAME, "else")
          && condition != TRUE) {
        next();
        next();
        condition = TRUE;
      } else {
        end("if", line);
        return new Statement.If(List.copyOf(branches), line);
      }
    }
  }

  private Statement loop(int line) {
    var target = target();
    if (!skipName("in")) {
      throw unexpected("'in'");
    }
    var items = tuple(/* conditionals= */ false);
    var filter = skipName("if") ? expression() : null;
    boolean recursive = skipName("recursive");
    blockEnd();
    loops++;
    var body = body();
    loops--;
    List<Statement> otherwise = List.of();
    if (current().is(Type.BLOCK_BEGIN) && ahead().is(Type.NAME, "else")) {
      next();
      next();
      blockEnd();
      otherwise = body();
    }
    end("for", line);
    return new Statement.For(target, items, filter, recursive, body, otherwise, line);
  }

  private Statement assignment(int line) {
    var target = target();
    if (skip("=")) {
      var value = tuple(/* conditionals= */ true);
      blockEnd();
      return new Statement.Set(target, value, line);
    }
    var filter = isOperator("|") ? filterChain(/* bar= */ true) : null;
    return new Statement.SetBlock(target, filter, rest("set", line), line);
  }

  private Target target() {
    var targets = new ArrayList<Target>();
    boolean commas = false;
    do {
      if (commas && (isName("in") || isOperator("=") || isOperator(")"))) {
        break;
      }
      targets.add(single());
      commas |= isOperator(",");
    } while (skip(","));
    return commas ? new Statement.Unpack(List.copyOf(targets)) : targets.getFirst();
  }

  private Target single() {
    if (skip("(")) {
      enter();
      var inner = target();
      leave();
      expect(")");
      return inner;
    }
    int line = current().line();
    var name = expectName();
    if (skip(".")) {
      names.add(name);
      return new Statement.Member(name, expectName());
    }
    if (java.util.Set.of("true", "false", "none", "True", "False", "None").contains(name)) {
      throw new SyntaxFailure("cannot assign to '" + name + "'", line);
    }
    return new Statement.Variable(name);
  }

  private Signature macro() {
    return signature(expectName(), "macro");
  }

  private Signature signature(String name, String tag) {
    int line = current().line();
    var parameters = new ArrayList<String>();
    var defaults = new ArrayList<Expression>();
    if (tag.equals("macro") || isOperator("(")) {
      expect("(");
      while (!isOperator(")")) {
        parameters.add(expectName());
        if (skip("=")) {
          defaults.add(expression());
        } else if (!defaults.isEmpty()) {
          throw new SyntaxFailure("a parameter without a default after one with", line);
        }
        if (!skip(",")) {
          break;
        }
      }
      expect(")");
    }
    if (tag.equals("macro")) {
      return withBody(name, parameters, defaults, tag, line);
    }
    return new Signature(name, List.copyOf(parameters), List.copyOf(defaults), List.of(), null);
  }

  private Signature withBody(
      String name, List<String> parameters, List<Expression> defaults, String tag, int line) {
    var outside = names;
    int around = loops;
    names = new HashSet<>();
    loops = 0;
    var body = rest(tag, line);
    var inside = java.util.Set.copyOf(names);
    loops = around;
    names = outside;
    names.addAll(inside);
    return new Signature(name, List.copyOf(parameters), List.copyOf(defaults), body, inside);
  }

  private Statement call(int line) {
    var head = signature("caller", "call");
    if (!(expression() instanceof Expression.Call call)) {
      throw new SyntaxFailure("expected a call of a macro", line);
    }
    var caller = withBody("caller", head.parameters(), head.defaults(), "call", line);
    return new Statement.CallBlock(call, caller, line);
  }

  private Statement with(int line) {
    var targets = new ArrayList<Target>();
    var values = new ArrayList<Expression>();
    while (!current().is(Type.BLOCK_END)) {
      targets.add(single());
      expect("=");
      values.add(expression());
      if (!skip(",")) {
        break;
      }
    }
    return new Statement.With(List.copyOf(targets), List.copyOf(values), rest("with", line), line);
  }
}
