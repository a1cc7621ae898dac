package ai.lathe.compress.pruning.fisher;

import ai.lathe.model.Address;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.gradient.Gradients;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The curvature of a group of matrices: gradients of all mini-batches, several of which are added
 * at a time, so that the blocks of the Fisher matrix come through memory the fewer times.
 */
final class Collector implements AutoCloseable {

  /** Gradients that are added together. */
  static final int TOGETHER = 8;

  private final Arena arena = Arena.ofShared();
  private final List<Curvature> curvatures = new ArrayList<>();

  /**
   * @param scale mean square of the gradients
   * @param group indices into the store
   * @param silent gets the indices of matrices whose gradients were all zero
   */
  Collector(
      GlobalMethod method,
      double scale,
      WeightStore store,
      int[] group,
      Gradients gradients,
      List<List<int[]>> batches,
      List<Integer> silent,
      Progress.Task task) {
    try (var buffers = Arena.ofShared()) {
      var buffer = new MemorySegment[group.length];
      var pruned = new boolean[group.length][];
      for (int i = 0; i < group.length; i++) {
        var weights = store.read(group[i]);
        curvatures.add(method.curvature(weights.length, scale, arena));
        buffer[i] = buffers.allocate(4L * weights.length * TOGETHER, 64);
        pruned[i] = zeros(weights);
      }
      var heard = new boolean[group.length];
      var addresses = IntStream.of(group).mapToObj(store::address).toList();
      for (int k = 0; k < batches.size(); k++) {
        int row = k % TOGETHER;
        gradients.of(
            batches.get(k),
            k,
            addresses,
            (i, values) -> heard[i] |= copy(values, pruned[i], buffer[i], row));
        if (row == TOGETHER - 1 || k == batches.size() - 1) {
          for (int i = 0; i < group.length; i++) {
            curvatures.get(i).add(buffer[i], row + 1);
          }
        }
        task.advance(1);
      }
      complain(group, heard, addresses, silent);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private static void complain(
      int[] group, boolean[] heard, List<Address> addresses, List<Integer> silent) {
    int count = 0;
    for (int i = 0; i < group.length; i++) {
      if (!heard[i]) {
        silent.add(group[i]);
        count++;
      }
    }
    if (count == addresses.size()) {
      throw new LatheException(
          "all gradients are zero: they say nothing about the weights. A model that is its own teacher has such, and one whose weights are all zero; another loss may help");
    }
  }

  /** Null where there are none. */
  private static boolean[] zeros(float[] weights) {
    boolean[] zeros = null;
    for (int i = 0; i < weights.length; i++) {
      if (weights[i] == 0) {
        zeros = zeros == null ? new boolean[weights.length] : zeros;
        zeros[i] = true;
      }
    }
    return zeros;
  }

  /**
   * One gradient into its row, zero where the weight is.
   *
   * @return whether any of it is not zero
   */
  private static boolean copy(
      MemorySegment gradient, boolean[] pruned, MemorySegment buffer, int row) {
    long bytes = gradient.byteSize();
    var target = buffer.asSlice(row * bytes, bytes).copyFrom(gradient);
    int count = (int) (bytes / Float.BYTES);
    boolean any = false;
    for (int i = 0; i < count; i++) {
      if (pruned != null && pruned[i]) {
        target.setAtIndex(ValueLayout.JAVA_FLOAT, i, 0);
      } else {
        any |= target.getAtIndex(ValueLayout.JAVA_FLOAT, i) != 0;
      }
    }
    return any;
  }

  Curvature curvature(int indexInGroup) {
    return curvatures.get(indexInGroup);
  }

  /** Bytes that collecting takes for a matrix, beside its curvature. */
  static long bytes(long weights) {
    return (TOGETHER + 2) * weights * Float.BYTES;
  }

  @Override
  public void close() {
    arena.close();
  }
}
