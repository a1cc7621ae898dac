package ai.lathe.cli;

import ai.lathe.compress.allocation.Budget.Phase;
import ai.lathe.compress.budget.Stopwatch;
import ai.lathe.model.Checkpoint;
import ai.lathe.runtime.RuntimeOptions;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.measure.DecoderSpeed;
import ai.lathe.runtime.measure.DecoderTimes;
import ai.lathe.tensor.Progress;
import java.util.Map;

/** Times the code that serves, over as many tokens as {@code lathe bench} takes. */
record RuntimeStopwatch(RuntimeOptions options) implements Stopwatch {

  private static final int ROUNDS = 5;

  @Override
  public String machine() {
    return "%s %s, %d of %d processors, %s, Java %s"
        .formatted(
            System.getProperty("os.name"),
            System.getProperty("os.arch"),
            options.threads(),
            Runtime.getRuntime().availableProcessors(),
            options.provider().label(),
            Runtime.version());
  }

  @Override
  public Map<Phase, Time> times(Checkpoint model) {
    try (var workers = new Workers(options.threads());
        var decoder = load(model, workers)) {
      var times = DecoderTimes.measure(decoder, prompt(model), generate(model), ROUNDS);
      return Map.of(Phase.PREFILL, time(times.prefill()), Phase.DECODE, time(times.decode()));
    }
  }

  private static Time time(DecoderTimes.Times times) {
    return new Time(times.matrices(), times.token());
  }

  @Override
  public double ratio(Checkpoint of, Checkpoint over, Phase phase) {
    try (var workers = new Workers(options.threads());
        var first = load(of, workers);
        var second = load(over, workers)) {
      var ratio = DecoderSpeed.ratio(first, second, prompt(of), generate(of), 2 * ROUNDS - 1);
      return phase == Phase.PREFILL ? ratio.prefill() : ratio.decode();
    }
  }

  private Decoder load(Checkpoint model, Workers workers) {
    return Decoder.load(model, options.provider(), workers, Decoder.BATCH_TOKENS, Progress.NONE);
  }

  private static int generate(Checkpoint model) {
    return Math.min(BenchCommand.GENERATE, model.config().context() / 4);
  }

  private static int prompt(Checkpoint model) {
    return Math.min(BenchCommand.PROMPT, model.config().context() - generate(model));
  }
}
