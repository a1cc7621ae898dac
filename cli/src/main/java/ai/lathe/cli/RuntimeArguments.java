package ai.lathe.cli;

import ai.lathe.runtime.RuntimeOptions;
import java.util.Optional;
import picocli.CommandLine.Option;

/** The options of commands that run a model with the runtime. */
final class RuntimeArguments {

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads that compute. Default: one for each processor.")
  private Optional<Integer> threads;

  @Option(
      names = "--kernels",
      paramLabel = "NAME",
      description =
          "scalar, vector or emitted. Default: the fastest that this machine can run; see lathe"
              + " doctor.")
  private Optional<String> kernels;

  RuntimeOptions options() {
    var options = RuntimeOptions.DEFAULT;
    if (threads.isPresent()) {
      options = options.withThreads(threads.get());
    }
    return kernels.isPresent() ? options.withKernels(kernels.get()) : options;
  }
}
