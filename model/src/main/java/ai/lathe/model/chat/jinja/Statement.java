package ai.lathe.model.chat.jinja;

import java.util.List;

/** A statement of a template; {@code line} is where it begins. */
sealed interface Statement {

  int line();

  record Text(String text, int line) implements Statement {}

  record Print(Expression value, int line) implements Statement {}

  /** The first branch whose condition holds; {@code else} is a branch on true. */
  record If(List<Branch> branches, int line) implements Statement {}

  record Branch(Expression condition, List<Statement> body) {}

  /**
   * A loop.
   *
   * @param filter what follows {@code if}, or null
   */
  record For(
      Target target,
      Expression items,
      Expression filter,
      boolean recursive,
      List<Statement> body,
      List<Statement> otherwise,
      int line)
      implements Statement {}

  record Set(Target target, Expression value, int line) implements Statement {}

  /**
   * The text of a body, as a variable.
   *
   * @param filter applied to it, or null
   */
  record SetBlock(Target target, Expression.Filter filter, List<Statement> body, int line)
      implements Statement {}

  record MacroDefinition(Signature signature, int line) implements Statement {}

  /** A call of a macro that may call the body back as {@code caller()}. */
  record CallBlock(Expression.Call call, Signature caller, int line) implements Statement {}

  record FilterBlock(Expression.Filter filter, List<Statement> body, int line)
      implements Statement {}

  record With(List<Target> targets, List<Expression> values, List<Statement> body, int line)
      implements Statement {}

  /** A body with variables of its own: {@code generation}. */
  record Scoped(List<Statement> body, int line) implements Statement {}

  record Break(int line) implements Statement {}

  record Continue(int line) implements Statement {}

  /**
   * A macro.
   *
   * @param defaults of the last parameters
   * @param names every name that the body reads: only a macro that reads {@code varargs} takes more
   *     arguments than it has parameters
   */
  record Signature(
      String name,
      List<String> parameters,
      List<Expression> defaults,
      List<Statement> body,
      java.util.Set<String> names) {}

  /** What is assigned to. */
  sealed interface Target {}

  record Variable(String name) implements Target {}

  record Member(String namespace, String attribute) implements Target {}

  record Unpack(List<Target> targets) implements Target {}
}
