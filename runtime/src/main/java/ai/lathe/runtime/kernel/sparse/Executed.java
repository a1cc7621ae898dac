package ai.lathe.runtime.kernel.sparse;

import ai.lathe.runtime.kernel.ByTokens;
import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.sparse.SparseChoice.Verdict;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;

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

  /**
   * Without its zeros, at least for one token.
   *
   * @param dense makes the same weight with them; called where the verdict wants it too
   */
  public static PackedMatrix sparse(
      PackedMatrix inner, Verdict verdict, Supplier<PackedMatrix> dense) {
    var chosen = verdict.heldTwice() ? new ByTokens(inner, dense.get(), verdict.most()) : inner;
    return new Executed(chosen, "%s; sparse because %s".formatted(chosen.label(), verdict.why()));
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
  public int stripe(int tokens) {
    return inner.stripe(tokens);
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
