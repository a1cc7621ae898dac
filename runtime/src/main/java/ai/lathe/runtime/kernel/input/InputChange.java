package ai.lathe.runtime.kernel.input;

/** What becomes of each token's input. Equal changes of one input are made once. */
sealed interface InputChange permits Rotation, Rounding {

  /** For people, after {@code inputs}. */
  String label();

  /** Changes one token. @param x from its first feature on */
  void apply(float[] x, int columns);
}
