package ai.lathe.runtime.kernel.composite;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.RowMath;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.Collectors;

/**
 * {@code y = P x + Q x + ...}. Each part takes the input as it is: one that rounds it does so for
 * itself.
 */
final class SumMatrix implements PackedMatrix {

  private final PackedMatrix first;
  private final PackedMatrix[] others;
  private final RowMath math;
  private final int stripe;

  /**
   * @param parts at least two, of one shape
   */
  SumMatrix(List<PackedMatrix> parts, RowMath math) {
    this.first = parts.getFirst();
    this.others = parts.subList(1, parts.size()).toArray(PackedMatrix[]::new);
    this.math = math;
    this.stripe =
        parts.stream().mapToInt(PackedMatrix::stripe).reduce(1, PackedMatrix::commonStripe);
  }

  @Override
  public int rows() {
    return first.rows();
  }

  @Override
  public int columns() {
    return first.columns();
  }

  @Override
  public int stripe() {
    return stripe;
  }

  @Override
  public long bytes() {
    long bytes = first.bytes();
    for (var other : others) {
      bytes += other.bytes();
    }
    return bytes;
  }

  @Override
  public String label() {
    return first.label()
        + List.of(others).stream()
            .map(other -> " + " + other.label())
            .collect(Collectors.joining());
  }

  @Override
  public void prepare(Input input) {
    var places = input.form(Intermediates.KIND);
    if (places.of(this) == null) {
      places.take(this).memory(input.tokens(), rows());
    }
    first.prepare(input);
    for (var other : others) {
      other.prepare(input);
    }
  }

  /** Threads have rows of their own, in the place of the other parts' results too. */
  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    first.multiply(input, from, to, out, at, stride);
    var part = input.made(Intermediates.KIND).of(this).memory();
    int rows = rows();
    for (var other : others) {
      other.multiply(input, from, to, part, 0, rows);
      for (int t = 0; t < input.tokens(); t++) {
        math.add(out, at + t * stride + from, part, (long) t * rows + from, to - from);
      }
    }
  }
}
