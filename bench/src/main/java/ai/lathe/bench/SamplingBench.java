package ai.lathe.bench;

import ai.lathe.runtime.generation.Distribution;
import ai.lathe.runtime.generation.Sampler;
import ai.lathe.runtime.generation.Sampling;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * What it takes to choose a token of 32,000, 128,256 and 262,144: microseconds, best and median of
 * rounds that go through all ways in turn.
 */
public final class SamplingBench {

  private static final int ROUNDS = 15;
  private static final int DRAWS = 40;

  private record Way(String name, Sampling sampling) {}

  private static final Way[] WAYS = {
    new Way("greedy", Sampling.greedy()),
    new Way("standard (top-k 40, top-p 0.95, min-p 0.05)", Sampling.standard().withSeed(1)),
    new Way("top-p 0.95 alone", Sampling.plain(1).withTopP(0.95)),
    new Way("temperature alone", Sampling.plain(1).withTemperature(0.8)),
    new Way("standard with penalties", Sampling.standard().withSeed(1).withPenalties(1.1, 0.1, 0.1))
  };

  private SamplingBench() {}

  public static void main(String[] arguments) {
    System.out.println("| vocabulary | sampling | best us | median us |\n|---|---|---|---|");
    for (int vocabulary : new int[] {32_000, 128_256, 262_144}) {
      measure(vocabulary);
    }
  }

  private static void measure(int vocabulary) {
    try (var arena = Arena.ofConfined()) {
      var logits = arena.allocate((long) vocabulary * Float.BYTES, 64);
      var random = new SplittableRandom(7);
      for (long i = 0; i < vocabulary; i++) {
        // A few likely tokens far above many unlikely ones.
        double logit = random.nextGaussian() * 2.5 + (i % 4001 == 0 ? 12 * random.nextDouble() : 0);
        logits.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) logit);
      }
      var times = new double[WAYS.length][ROUNDS];
      var distribution = new Distribution(vocabulary);
      for (int round = -5; round < ROUNDS; round++) {
        for (int way = 0; way < WAYS.length; way++) {
          var sampler = new Sampler(WAYS[way].sampling(), distribution);
          long begun = System.nanoTime();
          for (int i = 0; i < DRAWS; i++) {
            sampler.accept(sampler.next(logits, 0));
          }
          if (round >= 0) {
            times[way][round] = (System.nanoTime() - begun) * 1e-3 / DRAWS;
          }
        }
      }
      for (int way = 0; way < WAYS.length; way++) {
        Arrays.sort(times[way]);
        System.out.printf(
            "| %,d | %s | %.0f | %.0f |%n",
            vocabulary, WAYS[way].name(), times[way][0], times[way][ROUNDS / 2]);
      }
    }
  }
}
