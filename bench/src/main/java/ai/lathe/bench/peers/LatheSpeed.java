package ai.lathe.bench.peers;

import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.measure.DecoderSpeed;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Progress;
import java.util.Map;

/**
 * Tokens per second of a decoder in Lathe, as {@code lathe bench} measures them.
 *
 * <pre>LatheSpeed MODEL PROMPT GENERATE THREADS KERNELS</pre>
 */
public final class LatheSpeed {

  private static final int ROUNDS = 5;

  private LatheSpeed() {}

  public static void main(String[] arguments) {
    try (var checkpoint = Checkpoints.open(arguments[0]);
        var workers = new Workers(Integer.parseInt(arguments[3]));
        var decoder =
            Decoder.load(
                checkpoint,
                Providers.choose(arguments[4]),
                workers,
                Decoder.BATCH_TOKENS,
                Progress.NONE)) {
      var speed =
          DecoderSpeed.measure(
              decoder, Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]), ROUNDS);
      Samples.print(Map.of("prefill", speed.prefill(), "decode", speed.decode()));
    }
  }
}
