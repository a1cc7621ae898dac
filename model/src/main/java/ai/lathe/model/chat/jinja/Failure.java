package ai.lathe.model.chat.jinja;

/** What went wrong in a template; {@link Template} adds its name and the line. */
final class Failure extends RuntimeException {

  private static final long serialVersionUID = 1L;

  Failure(String message) {
    super(message, null, false, /* writableStackTrace= */ false);
  }
}
