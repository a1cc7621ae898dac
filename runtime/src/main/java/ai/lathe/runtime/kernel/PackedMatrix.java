package ai.lathe.runtime.kernel;

import java.lang.foreign.MemorySegment;

/** A weight {@code W [out, in]}, ready to be multiplied: {@code y = W x} for every token. */
public interface PackedMatrix {

  /** Output features. */
  int rows();

  /** Input features. */
  int columns();

  /** Rows that threads share out come in multiples of this. */
  int stripe();

  /**
   * Likewise with so many tokens; less than {@link #stripe()} where few of them need no more, so
   * that threads get even shares of a matrix of few rows.
   */
  default int stripe(int tokens) {
    return stripe();
  }

  /** The stripe of two matrices that threads share out together: the least common multiple. */
  static int commonStripe(int one, int other) {
    int x = one;
    int y = other;
    while (y != 0) {
      int rest = x % y;
      x = y;
      y = rest;
    }
    return one / x * other;
  }

  /** Bytes that one pass over the matrix reads. */
  long bytes();

  /**
   * What it is for people, for example {@code q4 in stripes of 16, inputs int8 in blocks of 32}.
   */
  String label();

  /**
   * Makes the form of the input that {@link #multiply} reads, unless another matrix has made it.
   * Called by the thread that owns the input, before others multiply.
   */
  void prepare(Input input);

  /**
   * Computes output features {@code [from, to)} of all tokens of the input. Several threads do this
   * at once, each with rows of its own.
   *
   * @param from a multiple of {@link #stripe(int)}
   * @param to likewise, or the number of rows
   * @param out float32; feature {@code r} of token {@code t} goes to element {@code at + t * stride
   *     + r}
   */
  void multiply(Input input, int from, int to, MemorySegment out, long at, long stride);
}
