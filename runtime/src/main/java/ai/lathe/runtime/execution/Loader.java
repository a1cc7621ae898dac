package ai.lathe.runtime.execution;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.architecture.Architecture.NormKind;
import ai.lathe.model.architecture.Site;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Reads parameters of a checkpoint into the form that they are executed in, each once. */
final class Loader {

  private final Checkpoint checkpoint;
  private final KernelProvider kernels;
  private final Arena arena;
  private final Map<Address, Linear> linears = new HashMap<>();
  private final Map<Address, Norm> norms = new HashMap<>();
  private Work work = Work.NONE;

  /**
   * @param arena of everything that is copied
   */
  Loader(Checkpoint checkpoint, KernelProvider kernels, Arena arena) {
    this.checkpoint = checkpoint;
    this.kernels = kernels;
    this.arena = arena;
  }

  Checkpoint checkpoint() {
    return checkpoint;
  }

  KernelProvider kernels() {
    return kernels;
  }

  Arena arena() {
    return arena;
  }

  /** Of the matrices so far. */
  Work work() {
    return work;
  }

  Linear linear(Address address) {
    var linear = linears.get(address);
    if (linear == null) {
      linear = readLinear(address);
      linears.put(address, linear);
    }
    return linear;
  }

  private Linear readLinear(Address address) {
    var weight = checkpoint.matrix(address);
    // Machine code writes where widths say that there is room.
    var shape = checkpoint.config().shape(checkpoint.architecture(), address);
    if (weight.rows() != shape[0] || weight.columns() != shape[1]) {
      throw new LatheException(
          "%s is [%d, %d]; this model's is %s"
              .formatted(
                  checkpoint.name(address),
                  weight.rows(),
                  weight.columns(),
                  Arrays.toString(shape)));
    }
    var bias = checkpoint.vector(address.bias()).map(b -> vector(b, 0)).orElse(null);
    if (bias != null && bias.byteSize() != (long) weight.rows() * Float.BYTES) {
      throw new LatheException(
          "%s has %d outputs and a bias of %d"
              .formatted(checkpoint.name(address), weight.rows(), bias.byteSize() / Float.BYTES));
    }
    var packed = kernels.prepare(weight, arena);
    count(address, packed);
    return new Linear(address, packed, bias);
  }

  private void count(Address address, PackedMatrix packed) {
    double operations = 2.0 * packed.rows() * packed.columns();
    if (address.block() == Address.OUTSIDE) {
      work = work.plusOutput(packed.bytes(), operations);
      return;
    }
    double share = 1;
    if (address.expert() != Site.NO_EXPERT) {
      var experts = checkpoint.config().experts().orElseThrow();
      share = (double) experts.perToken() / experts.count();
    }
    work = work.plusBlock(share * packed.bytes(), share * operations);
  }

  /**
   * The rotary pairs that a block's heads keep, {@code [key-value heads][pairs]}; null where they
   * are whole, or nothing turns.
   */
  int[][] rotaryPairs(int block) {
    return RotaryPairs.of(checkpoint, block)
        .map(pairs -> pairs.kept().stream().map(Loader::array).toArray(int[][]::new))
        .orElse(null);
  }

  private static int[] array(List<Integer> values) {
    return values.stream().mapToInt(Integer::intValue).toArray();
  }

  Norm norm(Address address) {
    return norms.computeIfAbsent(address, this::readNorm);
  }

  private Norm readNorm(Address address) {
    var architecture = checkpoint.architecture();
    var stored =
        checkpoint
            .vector(address)
            .orElseThrow(() -> new LatheException("the model lacks " + checkpoint.name(address)));
    int n = Math.toIntExact(stored.elements());
    var weight = vector(stored, (float) architecture.normOffset());
    var bias =
        checkpoint
            .vector(address.bias())
            .map(b -> vector(b, 0))
            .orElseGet(
                () ->
                    architecture.norm() == NormKind.LAYER
                        ? arena.allocate((long) n * Float.BYTES, 64)
                        : null);
    return new Norm(
        architecture.norm(), weight, bias, (float) checkpoint.config().normEpsilon(), n);
  }

  private MemorySegment vector(Tensor tensor, float offset) {
    int n = Math.toIntExact(tensor.elements());
    var values = new float[n];
    tensor.copyFloats(0, values, 0, n);
    for (int i = 0; i < n && offset != 0; i++) {
      values[i] += offset;
    }
    var memory = arena.allocate((long) n * Float.BYTES, 64);
    MemorySegment.copy(values, 0, memory, ValueLayout.JAVA_FLOAT, 0, n);
    return memory;
  }
}
