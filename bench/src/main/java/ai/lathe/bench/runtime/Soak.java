package ai.lathe.bench.runtime;

import ai.lathe.runtime.RuntimeOptions;
import ai.lathe.runtime.TextModel;
import ai.lathe.runtime.generation.GenerationOptions;
import ai.lathe.runtime.generation.Sampling;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Mixed generations from several threads for a given time: prompts and outputs of all lengths,
 * greedy and sampled, some of them broken off. Each of a fixed set of requests must give the same
 * text every time, and memory must stay flat. A line every half minute; exit code 1 where a text
 * differs.
 *
 * <pre>Soak MODEL TEXT MINUTES CALLERS THREADS</pre>
 */
public final class Soak {

  /** Different requests; each recurs. */
  private static final int REQUESTS = 64;

  private static final int LONGEST_PROMPT = 150;
  private static final int LONGEST_OUTPUT = 80;

  private final TextModel model;
  private final String text;
  private final long end;
  private final Map<Integer, String> texts = new ConcurrentHashMap<>();
  private final AtomicLong generations = new AtomicLong();
  private final AtomicLong tokens = new AtomicLong();
  private final AtomicLong brokenOff = new AtomicLong();
  private final AtomicLong different = new AtomicLong();

  private Soak(TextModel model, String text, long end) {
    this.model = model;
    this.text = text;
    this.end = end;
  }

  public static void main(String[] arguments) throws IOException, InterruptedException {
    if (arguments.length != 5) {
      throw new LatheException("usage: Soak MODEL TEXT MINUTES CALLERS THREADS");
    }
    long minutes = Long.parseLong(arguments[2]);
    int callers = Integer.parseInt(arguments[3]);
    var options = RuntimeOptions.DEFAULT.withThreads(Integer.parseInt(arguments[4]));
    var text = Files.readString(Path.of(arguments[1]));
    try (var model = TextModel.open(arguments[0], options, Progress.NONE);
        var pool = Executors.newFixedThreadPool(callers)) {
      var soak = new Soak(model, text, System.nanoTime() + minutes * 60_000_000_000L);
      for (int caller = 0; caller < callers; caller++) {
        int seed = caller;
        pool.submit(() -> soak.call(new SplittableRandom(seed)));
      }
      while (System.nanoTime() < soak.end) {
        Thread.sleep(30_000);
        soak.report();
      }
      pool.shutdown();
      if (soak.different.get() > 0) {
        System.exit(1);
      }
    }
  }

  private void call(SplittableRandom random) {
    try {
      while (System.nanoTime() < end) {
        if (random.nextInt(16) == 0) {
          breakOff(random);
        } else {
          generate(random.nextInt(REQUESTS));
        }
      }
    } catch (Throwable e) {
      e.printStackTrace();
      different.incrementAndGet();
    }
  }

  /** The request of that number is always the same. */
  private void generate(int request) {
    var random = new SplittableRandom(request);
    var prompt = prompt(random);
    var sampling = request % 3 == 0 ? Sampling.greedy() : Sampling.standard().withSeed(request);
    var options = GenerationOptions.of(sampling).withMaxTokens(1 + random.nextInt(LONGEST_OUTPUT));
    var generation = model.generate(prompt, options);
    generations.incrementAndGet();
    tokens.addAndGet(generation.tokens().size());
    var before = texts.putIfAbsent(request, generation.text());
    if (before != null && !before.equals(generation.text())) {
      different.incrementAndGet();
      System.out.printf(
          "request %d gave%n  %s%nand now%n  %s%n", request, before, generation.text());
    }
  }

  private void breakOff(SplittableRandom random) {
    try {
      model.generate(
          prompt(random),
          GenerationOptions.greedy().withMaxTokens(LONGEST_OUTPUT),
          piece -> {
            if (random.nextInt(8) == 0) {
              throw new BrokenOff();
            }
          });
    } catch (BrokenOff e) {
      brokenOff.incrementAndGet();
    }
  }

  private static final class BrokenOff extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  private String prompt(SplittableRandom random) {
    int length = 1 + random.nextInt(LONGEST_PROMPT);
    int at = random.nextInt(Math.max(1, text.length() - length));
    return text.substring(at, Math.min(text.length(), at + length)).strip() + " ";
  }

  private void report() throws IOException {
    System.gc();
    var heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    var resident =
        Files.readAllLines(Path.of("/proc/self/status")).stream()
            .filter(line -> line.startsWith("VmRSS"))
            .findFirst()
            .orElse("");
    System.out.printf(
        "%d generations, %d tokens, %d broken off, %d different; heap %.1f MB, %s%n",
        generations.get(),
        tokens.get(),
        brokenOff.get(),
        different.get(),
        heap / 1e6,
        resident.replaceAll("\\s+", " "));
  }
}
