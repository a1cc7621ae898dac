package ai.lathe.bench.runtime;

import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.measure.DecoderSpeed;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * How much slower a model decodes beside one foreign busy process, in turn with decoding alone.
 *
 * <pre>NeighbourBench MODEL [THREADS [ROUNDS]]</pre>
 */
public final class NeighbourBench {

  private static final int PROMPT = 16;
  private static final int GENERATE = 48;

  private NeighbourBench() {}

  public static void main(String[] arguments) throws IOException {
    int threads = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 2;
    int rounds = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 3;
    var alone = new ArrayList<Double>();
    var beside = new ArrayList<Double>();
    try (var checkpoint = Checkpoints.open(arguments[0]);
        var workers = new Workers(threads);
        var decoder =
            Decoder.load(
                checkpoint, Providers.choose(), workers, Decoder.BATCH_TOKENS, Progress.NONE)) {
      for (int round = 0; round < rounds; round++) {
        add(alone, DecoderSpeed.measure(decoder, PROMPT, GENERATE, 3).decode());
        try (var _ = new BusyProcess()) {
          add(beside, DecoderSpeed.measure(decoder, PROMPT, GENERATE, 3).decode());
        }
      }
    }
    double a = median(alone);
    double b = median(beside);
    System.out.printf(
        Locale.ROOT,
        "decode, medians: alone %.1f tokens/s, beside a busy process %.1f: %.2f times slower%n",
        a,
        b,
        a / b);
  }

  private static void add(List<Double> all, double[] rates) {
    Arrays.stream(rates).forEach(all::add);
  }

  private static double median(List<Double> rates) {
    return DecoderSpeed.median(rates.stream().mapToDouble(Double::doubleValue).sorted().toArray());
  }
}
