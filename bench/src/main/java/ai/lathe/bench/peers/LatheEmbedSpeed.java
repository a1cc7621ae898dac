package ai.lathe.bench.peers;

import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.RuntimeEncoder;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Texts per second of an encoder in Lathe: hidden states alone, without pooling.
 *
 * <pre>LatheEmbedSpeed MODEL BATCH TOKENS THREADS KERNELS</pre>
 */
public final class LatheEmbedSpeed {

  private LatheEmbedSpeed() {}

  public static void main(String[] arguments) {
    int batch = Integer.parseInt(arguments[1]);
    int tokens = Integer.parseInt(arguments[2]);
    var random = new SplittableRandom(1);
    var texts = new ArrayList<int[]>();
    for (int i = 0; i < batch; i++) {
      texts.add(random.ints(tokens, 1000, 20_000).toArray());
    }
    try (var checkpoint = Checkpoints.open(arguments[0]);
        var workers = new Workers(Integer.parseInt(arguments[3]));
        var encoder =
            RuntimeEncoder.load(
                checkpoint, Providers.choose(arguments[4]), workers, Progress.NONE)) {
      Samples.print(Map.of("texts", Samples.perSecond(batch, () -> encoder.encode(texts))));
    }
  }
}
