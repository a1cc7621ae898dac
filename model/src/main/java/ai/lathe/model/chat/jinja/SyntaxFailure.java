package ai.lathe.model.chat.jinja;

/** A template that does not parse. */
final class SyntaxFailure extends RuntimeException {

  private static final long serialVersionUID = 1L;

  private final int line;

  SyntaxFailure(String message, int line) {
    super(message, null, false, /* writableStackTrace= */ false);
    this.line = line;
  }

  int line() {
    return line;
  }
}
