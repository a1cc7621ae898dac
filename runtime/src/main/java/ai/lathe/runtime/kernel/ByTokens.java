package ai.lathe.runtime.kernel;

import java.lang.foreign.MemorySegment;

/**
 * A weight that is held twice, because one form is faster for few tokens and another for many.
 *
 * @param most tokens for which {@code few} computes
 */
public record ByTokens(PackedMatrix few, PackedMatrix many, int most) implements PackedMatrix {

  private PackedMatrix of(Input input) {
    return of(input.tokens());
  }

  private PackedMatrix of(int tokens) {
    return tokens <= most ? few : many;
  }

  @Override
  public int rows() {
    return few.rows();
  }

  @Override
  public int columns() {
    return few.columns();
  }

  @Override
  public int stripe() {
    return PackedMatrix.commonStripe(few.stripe(), many.stripe());
  }

  @Override
  public int stripe(int tokens) {
    return of(tokens).stripe(tokens);
  }

  /** Of a token. */
  @Override
  public long bytes() {
    return few.bytes();
  }

  @Override
  public String label() {
    return "%s; with more than %d token%s %s"
        .formatted(few.label(), most, most == 1 ? "" : "s", many.label());
  }

  @Override
  public void prepare(Input input) {
    of(input).prepare(input);
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    of(input).multiply(input, from, to, out, at, stride);
  }
}
