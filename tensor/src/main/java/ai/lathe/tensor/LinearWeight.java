package ai.lathe.tensor;

/**
 * The weight {@code W [out, in]} of a linear layer {@code y = W x}, in whichever compressed form:
 * the shared language of Lathe. Solvers produce it, formats encode it, executors run it.
 */
public sealed interface LinearWeight permits Dense, GroupQuantized, BlockQuantized {

  /** Output features. */
  int rows();

  /** Input features. */
  int columns();

  /** How it is stored; tells its exact size. */
  Encoding encoding();

  /** Decodes rows {@code [from, to)} to float32, row-major, into {@code target[offset ..]}. */
  void decodeRows(int from, int to, float[] target, int offset);

  /** All of it as float32. */
  default Matrix decode() {
    var matrix = Matrix.zeros(rows(), columns());
    decodeRows(0, rows(), matrix.values(), 0);
    return matrix;
  }
}
