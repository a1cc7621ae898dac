package ai.lathe.compress.budget;

import ai.lathe.tensor.LatheException;

/** No choice of levels comes to what was asked for. */
public final class UnreachableException extends LatheException {

  private static final long serialVersionUID = 1L;

  UnreachableException(String message) {
    super(message);
  }
}
