package ai.lathe.runtime;

import ai.lathe.tensor.LatheException;

/** A model was used after it was closed, or closed while it was used. */
public final class ClosedModelException extends LatheException {

  private static final long serialVersionUID = 1;

  ClosedModelException() {
    super("the model is closed");
  }
}
