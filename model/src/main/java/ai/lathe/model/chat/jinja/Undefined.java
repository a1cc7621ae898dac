package ai.lathe.model.chat.jinja;

/**
 * The value of a name that nobody set: empty when printed or iterated, false, and an error for
 * everything else. Python's {@code None} is {@code null}, which is something else.
 *
 * @param message why, for the error
 */
record Undefined(String message) {

  Failure failure() {
    return new Failure(message);
  }
}
