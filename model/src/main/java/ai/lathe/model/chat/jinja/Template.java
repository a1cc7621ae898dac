package ai.lathe.model.chat.jinja;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.LatheException;
import java.time.LocalDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A template in the language of Jinja2 as chat templates are written for it: {@code trim_blocks},
 * {@code lstrip_blocks}, the sandbox in which nothing can be changed, {@code break} and {@code
 * continue}, and JSON as Python prints it. It reaches no object of Java's, and what a rendering may
 * cost is bounded. Safe for use by several threads.
 */
public final class Template {

  private final String name;
  private final List<Statement> statements;

  private Template(String name, List<Statement> statements) {
    this.name = name;
    this.statements = statements;
  }

  /**
   * @param name of the template in messages, for example {@code chat_template.jinja}
   * @throws FormatException where the text is no template: the name, the line, and what is wrong
   */
  public static Template parse(String name, String text) {
    try {
      return new Template(name, Parser.parse(text));
    } catch (SyntaxFailure failure) {
      throw new FormatException(name + ", line " + failure.line() + ": " + failure.getMessage());
    }
  }

  /**
   * The text for these variables.
   *
   * @param variables of {@code null}, {@link Boolean}, {@link Long}, {@link java.math.BigInteger},
   *     {@link Double}, {@link String}, and lists and string-keyed maps of these
   * @param now what {@code strftime_now} tells
   * @throws LatheException where the template fails or refuses: its name, the line, and why
   */
  public String render(Map<String, ?> variables, LocalDateTime now) {
    var limits = new Limits();
    var interpreter = new Interpreter(limits);
    var scope = new HashMap<String, Object>(Globals.of(now, limits));
    scope.putAll(variables);
    try {
      return interpreter.run(statements, Scope.of(scope));
    } catch (Failure failure) {
      throw failed(interpreter.line(), failure.getMessage());
    } catch (StackOverflowError tooDeep) {
      throw failed(interpreter.line(), "its values or calls are nested too deeply");
    }
  }

  private FormatException failed(int line, String why) {
    return new FormatException(name + ", line " + line + ": " + why);
  }
}
