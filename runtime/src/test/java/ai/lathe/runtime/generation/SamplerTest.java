package ai.lathe.runtime.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** Every step against its definition, written out with sorting and float64. */
class SamplerTest {

  @Property(tries = 300, seed = "7")
  void cutsKeepWhatTheirDefinitionsSay(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 400) int vocabulary,
      @ForAll @DoubleRange(min = 0.05, max = 3) double temperature,
      @ForAll @IntRange(min = 0, max = 50) int topK,
      @ForAll @DoubleRange(min = 0.01, max = 1) double topP,
      @ForAll @DoubleRange(min = 0, max = 0.5) double minP,
      @ForAll boolean ties) {
    var logits = logits(seed, vocabulary, ties);
    var sampling =
        Sampling.plain(0).withTemperature(temperature).withTopK(topK).withTopP(topP).withMinP(minP);
    var distribution = new Distribution(vocabulary);
    new Sampler(sampling, distribution).shape(MemorySegment.ofArray(logits), 0);
    var expected = probabilities(logits, sampling);
    for (int token = 0; token < vocabulary; token++) {
      assertThat(distribution.probability(token)).isCloseTo(expected[token], within(2e-5));
    }
  }

  /** As the documentation has them, one after the other. */
  static double[] probabilities(float[] logits, Sampling sampling) {
    var order =
        IntStream.range(0, logits.length)
            .boxed()
            .sorted(Comparator.<Integer>comparingDouble(i -> -logits[i]))
            .toList();
    int kept = sampling.topK() == 0 ? logits.length : Math.min(sampling.topK(), logits.length);
    var p = new double[logits.length];
    double best = logits[order.getFirst()];
    for (int i = 0; i < kept; i++) {
      p[order.get(i)] = Math.exp((logits[order.get(i)] - best) / sampling.temperature());
    }
    double sum = Arrays.stream(p).sum();
    double before = 0;
    for (int i = 0; i < kept; i++) {
      double weight = p[order.get(i)];
      // A difference of rounding only is not a difference.
      boolean reached = before >= sampling.topP() * sum * (1 - 1e-9) && sampling.topP() < 1;
      if (i > 0 && reached || weight < sampling.minP()) {
        p[order.get(i)] = 0;
      }
      before += weight;
    }
    double total = Arrays.stream(p).sum();
    return Arrays.stream(p).map(x -> x / total).toArray();
  }

  private static float[] logits(long seed, int count, boolean ties) {
    var random = new SplittableRandom(seed);
    var logits = new float[count];
    for (int i = 0; i < count; i++) {
      logits[i] = ties ? random.nextInt(-3, 4) : (float) (random.nextDouble() * 24 - 12);
    }
    return logits;
  }

  @Test
  void drawsFollowTheDistribution() {
    var logits = logits(5, 60, false);
    var sampling = Sampling.plain(17).withTemperature(4).withTopK(30).withTopP(0.9);
    var expected = probabilities(logits, sampling);
    var sampler = new Sampler(sampling, new Distribution(logits.length));
    int draws = 40_000;
    var counts = new int[logits.length];
    var memory = MemorySegment.ofArray(logits);
    for (int i = 0; i < draws; i++) {
      counts[sampler.next(memory, 0)]++;
    }
    double chi = 0;
    int cells = 0;
    for (int i = 0; i < counts.length; i++) {
      if (expected[i] == 0) {
        assertThat(counts[i]).isZero();
        continue;
      }
      double mean = expected[i] * draws;
      chi += (counts[i] - mean) * (counts[i] - mean) / mean;
      cells++;
    }
    // Mean cells - 1, deviation sqrt(2 (cells - 1)): six deviations, and the seed is fixed.
    assertThat(chi).isLessThan(cells - 1 + 6 * Math.sqrt(2.0 * (cells - 1)));
    assertThat(cells).isGreaterThan(10);
  }

  @Test
  void sameSeedSameTokens() {
    var logits = MemorySegment.ofArray(logits(6, 500, false));
    var sampling = Sampling.standard().withSeed(99).withTemperature(2);
    var a = new Sampler(sampling, new Distribution(500));
    var b = new Sampler(sampling, new Distribution(500));
    var c = new Sampler(sampling.withSeed(100), new Distribution(500));
    boolean differs = false;
    for (int i = 0; i < 50; i++) {
      int token = a.next(logits, 0);
      assertThat(b.next(logits, 0)).isEqualTo(token);
      differs |= c.next(logits, 0) != token;
    }
    assertThat(differs).isTrue();
  }

  /** The first numbers of the published generator for seed 1234567. */
  @Test
  void generatorIsSplitMix64() {
    var random = new SplitMix(1234567);
    assertThat(random.next()).isEqualTo(6457827717110365317L);
    assertThat(random.next()).isEqualTo(3203168211198807973L);
    assertThat(Long.toUnsignedString(random.next())).isEqualTo("9817491932198370423");
  }

  @Test
  void greedyTakesTheFirstOfTheBest() {
    var logits = MemorySegment.ofArray(new float[] {1, 7, 3, 7});
    assertThat(new Sampler(Sampling.greedy(), new Distribution(4)).next(logits, 0)).isEqualTo(1);
  }

  @Test
  void penaltiesAndBias() {
    var sampling =
        Sampling.plain(0).withPenalties(2, 0.5, 0.25).withBias(Map.of(3, -1.0, 4, -1 / 0.0));
    var distribution = new Distribution(5);
    var sampler = new Sampler(sampling, distribution);
    sampler.prompt(0);
    sampler.accept(1);
    sampler.accept(1);
    sampler.accept(2);
    sampler.retract(2);
    sampler.shape(MemorySegment.ofArray(new float[] {2, -1, 1, 3, 9}), 0);
    // 2 / 2; -1 * 2 - 0.5 - 2 * 0.25; untouched; 3 - 1; forbidden.
    double[] logits = {1, -3, 1, 2, Double.NEGATIVE_INFINITY};
    double sum = Arrays.stream(logits).map(Math::exp).sum();
    for (int i = 0; i < 5; i++) {
      assertThat(distribution.probability(i)).isCloseTo(Math.exp(logits[i]) / sum, within(1e-6));
    }
  }

  @Test
  void logprobsAreTheModelsOwn() {
    var values = logits(8, 300, false);
    var logits = MemorySegment.ofArray(values);
    var sampling =
        Sampling.plain(3)
            .withTemperature(0.5)
            .withTopK(3)
            .withLogprobs(5)
            .withBias(Map.of(7, 50.0));
    var sampler = new Sampler(sampling, new Distribution(300));
    int token = sampler.next(logits, 0);
    assertThat(token).isEqualTo(7);
    double sum = IntStream.range(0, 300).mapToDouble(i -> Math.exp(values[i])).sum();
    var reported = sampler.logprobs();
    assertThat(reported.chosen().token()).isEqualTo(7);
    assertThat(reported.chosen().logprob())
        .isCloseTo(Math.log(Math.exp(values[7]) / sum), within(1e-5));
    var best =
        IntStream.range(0, 300)
            .boxed()
            .sorted(Comparator.<Integer>comparingDouble(i -> -values[i]))
            .limit(5)
            .toList();
    assertThat(reported.top()).extracting(Logprobs.Entry::token).isEqualTo(best);
    assertThat(reported.top().getFirst().logprob())
        .isCloseTo(Math.log(Math.exp(values[best.getFirst()]) / sum), within(1e-5));
  }

  @Test
  void brokenLogitsAreNamed() {
    var sampler = new Sampler(Sampling.greedy(), new Distribution(3));
    for (float bad : new float[] {Float.NaN, 1f / 0, -1f / 0}) {
      assertThatThrownBy(() -> sampler.next(MemorySegment.ofArray(new float[] {1, bad, 2}), 0))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("token 1")
          .hasMessageContaining(Float.toString(bad));
    }
    assertThat(sampler.next(MemorySegment.ofArray(new float[] {1, 0, 2}), 0)).isEqualTo(2);
  }

  @Test
  void badSettingsAreRefused() {
    var plain = Sampling.plain(0);
    refused(() -> plain.withTemperature(-1), "temperature is -1.0; it has to be 0 or more");
    refused(() -> plain.withTemperature(Double.NaN), "temperature is NaN");
    refused(() -> plain.withTopK(-1), "top-k is -1");
    refused(() -> plain.withTopP(0), "top-p is 0.0");
    refused(() -> plain.withTopP(1.5), "top-p is 1.5");
    refused(() -> plain.withMinP(2), "min-p is 2.0");
    refused(() -> plain.withPenalties(0, 0, 0), "repetition penalty is 0.0");
    refused(() -> plain.withBias(Map.of(1, 1 / 0.0)), "bias of token 1 is Infinity");
    refused(() -> plain.withLogprobs(101), "at most 100");
    refused(
        () -> new Sampler(plain.withBias(Map.of(9, 1.0)), new Distribution(9)),
        "tokens are from 0 to 8");
    refused(
        () ->
            new Sampler(plain.withBias(Map.of(0, -1 / 0.0)), new Distribution(1))
                .next(MemorySegment.ofArray(new float[] {1}), 0),
        "forbids every token");
  }

  private static void refused(
      org.assertj.core.api.ThrowableAssert.ThrowingCallable call, String why) {
    assertThatThrownBy(call).isInstanceOf(LatheException.class).hasMessageContaining(why);
  }
}
