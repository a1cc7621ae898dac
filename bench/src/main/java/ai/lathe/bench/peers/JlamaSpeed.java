package ai.lathe.bench.peers;

import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.safetensors.SafeTensorSupport;
import com.github.tjake.jlama.tensor.KvBufferCache;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * Tokens per second of a decoder in Jlama. It reads no GGUF: it gets the directory that the GGUF
 * file was made of, and rounds the weights to its own four bits (blocks of 32, as Q4_0) or eight;
 * the result stays beside the directory. Inputs are rounded to eight bits, its default.
 *
 * <pre>JlamaSpeed DIRECTORY PROMPT GENERATE THREADS Q4|I8</pre>
 */
public final class JlamaSpeed {

  private JlamaSpeed() {}

  public static void main(String[] arguments) throws IOException {
    int prompt = Integer.parseInt(arguments[1]);
    int generate = Integer.parseInt(arguments[2]);
    int threads = Integer.parseInt(arguments[3]);
    try (var model =
            ModelSupport.loadModel(
                rounded(Path.of(arguments[0]), DType.valueOf(arguments[4])).toFile(),
                null,
                DType.F32,
                DType.I8,
                Optional.empty(),
                Optional.of(threads));
        var caches = new KvBufferCache(model)) {
      var tokens =
          new SplittableRandom(1)
              .ints(prompt + generate, 0, model.getConfig().vocabularySize)
              .toArray();
      Samples.print(measure(model, caches, tokens, prompt));
    }
  }

  private static Path rounded(Path directory, DType type) throws IOException {
    var rounded = directory.resolveSibling(directory.getFileName() + "-jlama-" + type);
    if (!Files.exists(rounded)) {
      var kept = new String[] {"embed_tokens", "norm"};
      SafeTensorSupport.quantizeModel(directory, type, kept, null, Optional.of(rounded));
    }
    return rounded;
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
