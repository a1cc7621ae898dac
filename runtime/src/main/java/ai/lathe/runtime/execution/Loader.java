package ai.lathe.runtime.execution;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Architecture.NormKind;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Reads parameters of a checkpoint into the form that they are executed in.
 *
 * @param arena of everything that is copied
 */
record Loader(Checkpoint checkpoint, KernelProvider kernels, Arena arena) {

  Linear linear(Address address) {
    var weight = checkpoint.matrix(address);
    var bias = checkpoint.vector(address.bias()).map(b -> vector(b, 0)).orElse(null);
    if (bias != null && bias.byteSize() != (long) weight.rows() * Float.BYTES) {
      throw new LatheException(
          "%s has %d outputs and a bias of %d"
              .formatted(checkpoint.name(address), weight.rows(), bias.byteSize() / Float.BYTES));
    }
    return new Linear(address, kernels.prepare(weight, arena), bias);
  }

  Norm norm(Address address) {
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
