package ai.lathe.model.chat.jinja;

/**
 * A piece of a template.
 *
 * @param text the name, the operator, the digits, the contents of a string, or plain text
 * @param line counted from 1
 */
record Token(Type type, String text, int line) {

  enum Type {
    TEXT,
    BLOCK_BEGIN,
    BLOCK_END,
    PRINT_BEGIN,
    PRINT_END,
    NAME,
    STRING,
    INTEGER,
    FLOAT,
    OPERATOR,
    END
  }

  boolean is(Type other) {
    return type == other;
  }

  boolean is(Type other, String value) {
    return type == other && text.equals(value);
  }

  /** As it is called in messages. */
  String description() {
    return switch (type) {
      case TEXT -> "text";
      case BLOCK_BEGIN -> "'{%'";
      case BLOCK_END -> "'%}'";
      case PRINT_BEGIN -> "'{{'";
      case PRINT_END -> "'}}'";
      case STRING -> "a string";
      case END -> "the end of the template";
      case NAME, INTEGER, FLOAT, OPERATOR -> "'" + text + "'";
    };
  }
}
