package ai.lathe.runtime;

import ai.lathe.runtime.generation.Limits;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * How a model is run.
 *
 * @param threads that compute, the caller's included
 * @param kernels {@code scalar}, {@code vector} or {@code emitted}; empty for the fastest that the
 *     machine can run
 * @param context most tokens of a sequence; empty for as many as the model takes
 * @param draft a smaller model of the same vocabulary, which proposes tokens for the model to judge
 * @param keysAndValues type in which they are kept: F16, BF16 or F32
 * @param limits what the sequences of a model that generates share
 */
public record RuntimeOptions(
    int threads,
    Optional<String> kernels,
    OptionalInt context,
    Optional<Draft> draft,
    DType keysAndValues,
    Limits limits) {

  /**
   * A model for speculative decoding.
   *
   * @param model as a person calls it: a directory, a file, or a name on a hub
   * @param tokens that it proposes at once
   */
  public record Draft(String model, int tokens) {}

  /** All processors, the fastest kernels. */
  public static final RuntimeOptions DEFAULT =
      new RuntimeOptions(
          Runtime.getRuntime().availableProcessors(),
          Optional.empty(),
          OptionalInt.empty(),
          Optional.empty(),
          DType.F16,
          Limits.STANDARD);

  public RuntimeOptions {
    if (threads < 1) {
      throw new LatheException("at least one thread computes, not " + threads);
    }
    if (context.isPresent() && context.getAsInt() < 2) {
      throw new LatheException(
          "a context of " + context.getAsInt() + " tokens is asked for; 2 is the least");
    }
  }

  public RuntimeOptions withThreads(int count) {
    return new RuntimeOptions(count, kernels, context, draft, keysAndValues, limits);
  }

  public RuntimeOptions withKernels(String name) {
    return new RuntimeOptions(threads, Optional.of(name), context, draft, keysAndValues, limits);
  }

  public RuntimeOptions withContext(int tokens) {
    return new RuntimeOptions(
        threads, kernels, OptionalInt.of(tokens), draft, keysAndValues, limits);
  }

  public RuntimeOptions withDraft(String model, int tokens) {
    var smaller = Optional.of(new Draft(model, tokens));
    return new RuntimeOptions(threads, kernels, context, smaller, keysAndValues, limits);
  }

  public RuntimeOptions withKeysAndValues(DType type) {
    return new RuntimeOptions(threads, kernels, context, draft, type, limits);
  }

  public RuntimeOptions withLimits(Limits value) {
    return new RuntimeOptions(threads, kernels, context, draft, keysAndValues, value);
  }

  /** The kernels that were asked for, or the best. */
  public KernelProvider provider() {
    return kernels.map(Providers::choose).orElseGet(Providers::choose);
  }
}
