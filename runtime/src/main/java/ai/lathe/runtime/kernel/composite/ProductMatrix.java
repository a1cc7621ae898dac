package ai.lathe.runtime.kernel.composite;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import java.lang.foreign.MemorySegment;

/**
 * {@code y = F (G x)}: {@code G x} is computed where the input is prepared, by all threads or,
 * where it is small, by the one that owns the input.
 */
final class ProductMatrix implements PackedMatrix {

  /** Multiplications for which waking other threads is worth its time. */
  private static final long SHARED = 1 << 16;

  /** Of the rows, for each thread. */
  private static final int PIECES = 4;

  private final PackedMatrix first;
  private final PackedMatrix rest;
  private final double multiplications;

  /**
   * @param first {@code F [out, r]}
   * @param rest {@code G [r, in]}
   * @param multiplications of the factor that {@code G} begins with, for one token
   */
  ProductMatrix(PackedMatrix first, PackedMatrix rest, double multiplications) {
    this.first = first;
    this.rest = rest;
    this.multiplications = multiplications;
  }

  /** Whether all threads compute what this factor makes of so many tokens. */
  static boolean shared(double multiplications, int tokens) {
    return multiplications * tokens >= SHARED;
  }

  @Override
  public int rows() {
    return first.rows();
  }

  @Override
  public int columns() {
    return rest.columns();
  }

  @Override
  public int stripe() {
    return first.stripe();
  }

  @Override
  public int stripe(int tokens) {
    return first.stripe(tokens);
  }

  @Override
  public long bytes() {
    return first.bytes() + rest.bytes();
  }

  @Override
  public String label() {
    return "(%s) * (%s)".formatted(first.label(), rest.label());
  }

  @Override
  public void prepare(Input input) {
    var places = input.form(Intermediates.KIND);
    if (places.of(this) != null) {
      return;
    }
    var place = places.take(this);
    rest.prepare(input);
    int tokens = input.tokens();
    var memory = place.memory(tokens, rest.rows());
    if (shared(multiplications, tokens)) {
      share(input, memory);
    } else {
      rest.multiply(input, 0, rest.rows(), memory, 0, rest.rows());
    }
    place.values.set(memory, tokens, rest.rows());
    first.prepare(place.values);
  }

  private void share(Input input, MemorySegment memory) {
    var task = input.form(SharedRows.KIND);
    task.set(rest, input, memory);
    var workers = input.workers();
    workers.run(task, PIECES * workers.count());
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    var values = input.made(Intermediates.KIND).of(this).values;
    first.multiply(values, from, to, out, at, stride);
  }
}
