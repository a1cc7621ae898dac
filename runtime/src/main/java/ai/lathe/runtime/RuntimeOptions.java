package ai.lathe.runtime;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.tensor.LatheException;
import java.util.Optional;

/**
 * How a model is run.
 *
 * @param threads that compute, the caller's included
 * @param kernels {@code scalar}, {@code vector} or {@code emitted}; empty for the fastest that the
 *     machine can run
 */
public record RuntimeOptions(int threads, Optional<String> kernels) {

  /** All processors, the fastest kernels. */
  public static final RuntimeOptions DEFAULT =
      new RuntimeOptions(Runtime.getRuntime().availableProcessors(), Optional.empty());

  public RuntimeOptions {
    if (threads < 1) {
      throw new LatheException("at least one thread computes, not " + threads);
    }
  }

  public RuntimeOptions withThreads(int count) {
    return new RuntimeOptions(count, kernels);
  }

  public RuntimeOptions withKernels(String name) {
    return new RuntimeOptions(threads, Optional.of(name));
  }

  /** The kernels that were asked for, or the best. */
  public KernelProvider provider() {
    return kernels.filter("scalar"::equals).isPresent()
        ? new ScalarProvider()
        : new VectorProvider();
  }
}
