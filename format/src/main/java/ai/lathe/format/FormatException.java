package ai.lathe.format;

import ai.lathe.tensor.LatheException;

/**
 * A file that is not what it claims to be: truncated, contradictory or hostile. The message names
 * the file and the field.
 */
public final class FormatException extends LatheException {

  private static final long serialVersionUID = 1L;

  public FormatException(String message) {
    super(message);
  }

  public FormatException(String message, Throwable cause) {
    super(message, cause);
  }
}
