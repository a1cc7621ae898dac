package ai.lathe.bench.runtime;

import ai.lathe.runtime.RuntimeOptions;
import ai.lathe.runtime.TextModel;
import ai.lathe.runtime.generation.GenerationListener;
import ai.lathe.runtime.generation.GenerationOptions;
import ai.lathe.runtime.measure.DecoderSpeed;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * How long {@code lathe run} takes from start to end for one token; and in a warm process, how long
 * a prompt takes until its first token. Run where {@code ./lathe} is.
 *
 * <pre>StartBench MODEL PROMPT-TOKENS [THREADS]</pre>
 */
public final class StartBench {

  private static final int ROUNDS = 9;

  private StartBench() {}

  public static void main(String[] arguments) throws IOException, InterruptedException {
    int prompt = Integer.parseInt(arguments[1]);
    var options = RuntimeOptions.DEFAULT;
    if (arguments.length > 2) {
      options = options.withThreads(Integer.parseInt(arguments[2]));
    }
    var starts = new double[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
      starts[i] = start(arguments[0]);
    }
    report("lathe run, start to end, one token", starts);
    try (var model = TextModel.open(arguments[0], options, Progress.NONE)) {
      var once = GenerationOptions.greedy().withMaxTokens(1);
      var random = new SplittableRandom(1);
      var firsts = new double[ROUNDS];
      for (int i = -ROUNDS; i < ROUNDS; i++) { // the first half warms up
        var tokens = random.ints(prompt, 0, model.config().vocabulary()).toArray();
        long began = System.nanoTime();
        model.generate(tokens, once, GenerationListener.NONE);
        firsts[Math.max(i, 0)] = (System.nanoTime() - began) / 1e9;
      }
      report("first token after " + prompt + " of a prompt, warm", firsts);
    }
  }

  private static double start(String model) throws IOException, InterruptedException {
    long began = System.nanoTime();
    var process =
        new ProcessBuilder("./lathe", "run", model, "-p", "Once", "-n", "1", "--temperature", "0")
            .redirectError(Redirect.DISCARD)
            .redirectOutput(Redirect.DISCARD)
            .start();
    if (process.waitFor() != 0) {
      throw new IOException("./lathe run failed; run it alone to see why");
    }
    return (System.nanoTime() - began) / 1e9;
  }

  private static void report(String what, double[] seconds) {
    java.util.Arrays.sort(seconds);
    System.out.printf(
        Locale.ROOT,
        "%s: best %.3f s, median %.3f s%n",
        what,
        seconds[0],
        DecoderSpeed.median(seconds));
  }
}
