package ai.lathe.cli;

import ai.lathe.compress.plan.Machine;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.measure.DecoderSpeed;
import ai.lathe.runtime.measure.MachineLimits;
import ai.lathe.runtime.measure.MachineLoops;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.LatheException;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe bench}. */
@Command(
    name = "bench",
    description = {
      "Measures how fast a model runs here: reading a prompt, and writing after it token by token.",
      "Beside each figure stands its share of what this machine can do at most, measured in the"
          + " same run: reading memory from front to back, and multiplying in registers."
    },
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe bench model.gguf --prompt 512 --generate 64 --threads 2",
      "  lathe bench path/to/model --kernels vector --json"
    })
final class BenchCommand implements Callable<Integer> {

  static final int PROMPT = 512;
  static final int GENERATE = 64;

  private final Console console;

  @Parameters(paramLabel = "MODEL", description = Descriptions.MODEL)
  private String model;

  @Option(
      names = "--prompt",
      paramLabel = "N",
      defaultValue = "" + PROMPT,
      description = "Tokens of the prompt. Default: ${DEFAULT-VALUE}.")
  private int prompt;

  @Option(
      names = "--generate",
      paramLabel = "N",
      defaultValue = "" + GENERATE,
      description = "Tokens that are written after it. Default: ${DEFAULT-VALUE}.")
  private int generate;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads that compute. Default: as many as there are cores.")
  private int threads = Runtime.getRuntime().availableProcessors();

  @Option(
      names = "--repeat",
      paramLabel = "N",
      defaultValue = "5",
      description = "Rounds after a warm-up; the median is shown. Default: ${DEFAULT-VALUE}.")
  private int repeat;

  @Option(
      names = "--kernels",
      paramLabel = "NAME",
      description =
          "scalar, vector or emitted. Default: the fastest that this machine can run; see lathe"
              + " doctor.")
  private String kernels;

  @Option(names = "--json", description = Descriptions.JSON)
  private boolean json;

  BenchCommand(Console console) {
    this.console = console;
  }

  /**
   * The result; rates are medians over the rounds.
   *
   * @param bytesReadPerToken of the matrices that every token goes through, and of the keys and
   *     values of the positions that it sees, on average over the tokens that are written
   * @param decodeShareOfMemoryRead these bytes, times tokens a second, over what the memory gives
   * @param prefillShareOfArithmetic multiplications and additions in the blocks' matrices, times
   *     tokens a second, over what the multipliers give
   */
  record Speed(
      String model,
      String kernels,
      int threads,
      int prompt,
      int generate,
      int repeat,
      double prefillTokensPerSecond,
      double prefillBest,
      double prefillShareOfArithmetic,
      double decodeTokensPerSecond,
      double decodeBest,
      double decodeShareOfMemoryRead,
      double bytesReadPerToken,
      double operationsPerToken,
      double memoryReadBytesPerSecond,
      double operationsPerSecond,
      String arithmetic,
      long peakMemoryBytes) {}

  @Override
  public Integer call() {
    if (threads < 1) {
      throw new LatheException("--threads is 1 or more, not " + threads);
    }
    var provider = provider();
    try (var checkpoint = Checkpoints.open(model, console.progress());
        var workers = new Workers(threads);
        var decoder =
            Decoder.load(checkpoint, provider, workers, Decoder.BATCH_TOKENS, console.progress())) {
      var speed = DecoderSpeed.measure(decoder, prompt, generate, repeat);
      long memory = Machine.peakMemory(); // before the memory to read is taken
      var limits = MachineLimits.measure(workers, MachineLoops.of(provider));
      report(result(provider, decoder, speed, limits, memory));
    }
    return Main.OK;
  }

  private KernelProvider provider() {
    return kernels == null ? Providers.choose() : Providers.choose(kernels);
  }

  private Speed result(
      KernelProvider provider,
      Decoder decoder,
      DecoderSpeed speed,
      MachineLimits limits,
      long memory) {
    var work = decoder.work();
    double bytes = work.bytes() + decoder.cache().bytesReadPerToken(prompt, prompt + generate);
    double prefill = DecoderSpeed.median(speed.prefill());
    double decode = DecoderSpeed.median(speed.decode());
    return new Speed(
        model,
        provider.label(),
        threads,
        prompt,
        generate,
        repeat,
        prefill,
        speed.prefill()[repeat - 1],
        prefill * work.blockOperations() / limits.operationsPerSecond(),
        decode,
        speed.decode()[repeat - 1],
        decode * bytes / limits.readBytesPerSecond(),
        bytes,
        work.blockOperations(),
        limits.readBytesPerSecond(),
        limits.operationsPerSecond(),
        limits.arithmetic(),
        memory);
  }

  private void report(Speed speed) {
    if (json) {
      console.json(speed);
      return;
    }
    var lines =
        String.format(
            Locale.ROOT,
            """
            kernels   %s; %d threads
            prefill   %.1f tokens/s over %d tokens (best %.1f): %.0f %% of this machine's arithmetic
            decode    %.1f tokens/s over %d tokens (best %.1f): %.0f %% of this machine's memory read
            machine   %.1f GB/s read, %.0f billion operations/s (%s)
            memory    %s at most""",
            speed.kernels,
            threads,
            speed.prefillTokensPerSecond,
            prompt,
            speed.prefillBest,
            100 * speed.prefillShareOfArithmetic,
            speed.decodeTokensPerSecond,
            generate,
            speed.decodeBest,
            100 * speed.decodeShareOfMemoryRead,
            speed.memoryReadBytesPerSecond / 1e9,
            speed.operationsPerSecond / 1e9,
            speed.arithmetic,
            Sizes.bytes(speed.peakMemoryBytes));
    lines.lines().forEach(console::print);
  }
}
