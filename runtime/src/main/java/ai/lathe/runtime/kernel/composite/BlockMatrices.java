package ai.lathe.runtime.kernel.composite;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Few large blocks along an index, each a matrix of its own in the type that it is stored in. The
 * inputs of a block are brought together where the input is prepared; outputs of blocks along the
 * inner index are put in turn after they are computed.
 */
public final class BlockMatrices implements PackedMatrix {

  /** Shorter rows, and more blocks, are better read in panels. */
  private static final int LONGEST = 128;

  private static final int MOST = 32;

  /** What one thread computes before it is put in turn. */
  private static final ThreadLocal<float[][]> TURNED =
      ThreadLocal.withInitial(() -> new float[1][0]);

  private final ModeMatrix weight;

  /** {@code [outer, inner]}. */
  private final PackedMatrix[] blocks;

  private final int stripe;

  private BlockMatrices(ModeMatrix weight, KernelProvider provider, Arena arena) {
    this.weight = weight;
    int high = weight.high();
    blocks = new PackedMatrix[weight.outer() * weight.inner()];
    for (int b = 0; b < blocks.length; b++) {
      blocks[b] = provider.prepare(rows(weight.blocks(), b * high, (b + 1) * high), arena);
    }
    int each = blocks[0].stripe();
    stripe = (high % each == 0 ? each : high) * weight.inner();
  }

  private static LinearWeight rows(LinearWeight all, int from, int to) {
    return switch (all) {
      case Dense(Tensor tensor) -> new Dense(tensor.rows(from, to));
      case GroupQuantized codes -> codes.slice(from, to);
      default -> throw new LatheException("no blocks are stored as " + all.encoding().label());
    };
  }

  /** Whether it is worth its copies of inputs and outputs. */
  public static boolean suits(ModeMatrix weight) {
    int count = weight.outer() * weight.inner();
    return weight.wide() > LONGEST
        && weight.high() > LONGEST
        && count <= MOST
        && weight.count() == count
        && (weight.blocks() instanceof Dense || weight.blocks() instanceof GroupQuantized);
  }

  /**
   * @param provider of the blocks
   */
  public static PackedMatrix of(ModeMatrix weight, KernelProvider provider, Arena arena) {
    return new BlockMatrices(weight, provider, arena);
  }

  @Override
  public int rows() {
    return weight.rows();
  }

  @Override
  public int columns() {
    return weight.columns();
  }

  @Override
  public int stripe() {
    return stripe;
  }

  @Override
  public long bytes() {
    long bytes = 0;
    for (var block : blocks) {
      bytes += block.bytes();
    }
    return bytes;
  }

  @Override
  public String label() {
    return "%s, %d blocks of %s"
        .formatted(weight.encoding().label(), blocks.length, blocks[0].label());
  }

  @Override
  public void prepare(Input input) {
    var places = input.form(Intermediates.KIND);
    if (places.of(blocks[0]) != null) {
      return;
    }
    int tokens = input.tokens();
    int inner = weight.inner();
    int wide = weight.wide();
    for (int b = 0; b < blocks.length; b++) {
      var place = places.take(blocks[b]);
      var memory = place.memory(tokens, wide);
      long from = (long) (b / inner) * wide * inner + b % inner;
      for (int token = 0; token < tokens; token++) {
        gather(input.values(), (long) token * columns() + from, memory, (long) token * wide);
      }
      place.values.set(memory, tokens, wide);
      blocks[b].prepare(place.values);
    }
  }

  private void gather(MemorySegment x, long from, MemorySegment memory, long to) {
    int inner = weight.inner();
    int wide = weight.wide();
    if (inner == 1) {
      MemorySegment.copy(x, JAVA_FLOAT, 4 * from, memory, JAVA_FLOAT, 4 * to, wide);
      return;
    }
    for (int j = 0; j < wide; j++) {
      memory.setAtIndex(JAVA_FLOAT, to + j, x.getAtIndex(JAVA_FLOAT, from + (long) j * inner));
    }
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    var places = input.made(Intermediates.KIND);
    int inner = weight.inner();
    int high = weight.high();
    for (int row = from; row < to; ) {
      int p = row / inner / high;
      int first = row / inner - p * high;
      int last = Math.min(high, to / inner - p * high);
      int count = last - first;
      for (int t = 0; t < inner; t++) {
        var block = blocks[p * inner + t];
        // All rows of one block, then all of the next: turned below where there are several.
        long place = at + row + (long) t * count - first;
        block.multiply(places.of(block).values, first, last, out, place, stride);
      }
      if (inner > 1) {
        for (int token = 0; token < input.tokens(); token++) {
          turn(out, at + token * stride + row, count);
        }
      }
      row += count * inner;
    }
  }

  /** {@code [inner, count]} to {@code [count, inner]}. */
  private void turn(MemorySegment out, long at, int count) {
    int inner = weight.inner();
    var own = TURNED.get();
    if (own[0].length < inner * count) {
      own[0] = new float[inner * count];
    }
    var values = own[0];
    MemorySegment.copy(out, JAVA_FLOAT, 4 * at, values, 0, inner * count);
    for (int i = 0; i < count; i++) {
      for (int t = 0; t < inner; t++) {
        out.setAtIndex(JAVA_FLOAT, at + (long) i * inner + t, values[t * count + i]);
      }
    }
  }
}
