package ai.lathe.bench.peers;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.vector.VectorProvider;

final class Kernels {

  private Kernels() {}

  static KernelProvider named(String name) {
    return switch (name) {
      case "scalar" -> new ScalarProvider();
      case "vector" -> new VectorProvider();
      default -> throw new IllegalArgumentException("kernels are scalar or vector, not " + name);
    };
  }
}
