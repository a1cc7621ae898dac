package ai.lathe.runtime.kernel.sparse;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import java.lang.foreign.MemorySegment;

/**
 * A sparse weight in the way that was chosen for it, which its label tells.
 *
 * @param inner how it is executed
 * @param label for people
 */
public record Executed(PackedMatrix inner, String label) implements PackedMatrix {

  /**
   * With its zeros.
   *
   * @param stored what the weight is stored as
   * @param why half a sentence
   */
  public static PackedMatrix dense(PackedMatrix inner, String stored, String why) {
    return new Executed(
        inner, "%s, executed dense because %s: %s".formatted(stored, why, inner.label()));
  }

  /** Without its zeros. */
  public static PackedMatrix sparse(PackedMatrix inner, String why) {
    return new Executed(inner, "%s; sparse because %s".formatted(inner.label(), why));
  }

  @Override
  public int rows() {
    return inner.rows();
  }

  @Override
  public int columns() {
    return inner.columns();
  }

  @Override
  public int stripe() {
    return inner.stripe();
  }

  @Override
  public long bytes() {
    return inner.bytes();
  }

  @Override
  public void prepare(Input input) {
    inner.prepare(input);
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    inner.multiply(input, from, to, out, at, stride);
  }
}
