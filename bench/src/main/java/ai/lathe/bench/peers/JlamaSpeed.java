package ai.lathe.bench.peers;

import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.tensor.KvBufferCache;
import java.io.File;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * Tokens per second of a decoder in Jlama. It reads no GGUF: it gets the directory that the GGUF
 * file was made of, and rounds the weights to its own four bits (blocks of 32, as Q4_0) or eight
 * while it loads them. Inputs are rounded to eight bits, its default.
 *
 * <pre>JlamaSpeed DIRECTORY PROMPT GENERATE THREADS Q4|I8</pre>
 */
public final class JlamaSpeed {

  private JlamaSpeed() {}

  public static void main(String[] arguments) {
    int prompt = Integer.parseInt(arguments[1]);
    int generate = Integer.parseInt(arguments[2]);
    int threads = Integer.parseInt(arguments[3]);
    try (var model =
            ModelSupport.loadModel(
                new File(arguments[0]),
                null,
                DType.F32,
                DType.I8,
                Optional.of(DType.valueOf(arguments[4])),
                Optional.of(threads));
        var caches = new KvBufferCache(model)) {
      var tokens =
          new SplittableRandom(1)
              .ints(prompt + generate, 0, model.getConfig().vocabularySize)
              .toArray();
      Samples.print(measure(model, caches, tokens, prompt));
    }
  }

  private static Map<String, double[]> measure(
      AbstractModel model, KvBufferCache caches, int[] tokens, int prompt) {
    var first = Arrays.copyOf(tokens, prompt);
    var prefill = new double[Samples.RUNS];
    var decode = new double[Samples.RUNS];
    for (int run = -1; run < Samples.RUNS; run++) { // the first warms up
      try (var cache = caches.getEphemeralKvBuffer()) {
        long start = System.nanoTime();
        model.batchForward(first, 0, cache);
        long read = System.nanoTime();
        for (int i = prompt; i < tokens.length; i++) {
          model.getLogits(model.forward(tokens[i], i, cache, Optional.empty()));
        }
        if (run >= 0) {
          prefill[run] = prompt * 1e9 / (read - start);
          decode[run] = (tokens.length - prompt) * 1e9 / (System.nanoTime() - read);
        }
      }
    }
    return Map.of("prefill", prefill, "decode", decode);
  }
}
