package ai.lathe.runtime.generation;

/** Why a text ended. */
public enum FinishReason {
  /** The model said so, with one of its end tokens. */
  END,
  /** A stop string came. */
  STOP,
  /** As many tokens as asked for. */
  LENGTH,
  /** The model's context is full. */
  CONTEXT,
  /** The listener asked for it. */
  CANCELLED
}
