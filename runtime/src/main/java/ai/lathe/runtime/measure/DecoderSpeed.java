package ai.lathe.runtime.measure;

import ai.lathe.model.Address;
import ai.lathe.runtime.execution.Batch;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.execution.Sequence;
import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * How fast a decoder reads a prompt, and how fast it writes after it, one token at a time. Tokens
 * are random, and none is sampled: what is measured is the model.
 *
 * @param prefill tokens a second, one figure a round, ascending
 * @param decode likewise; every token's logits are computed
 */
public record DecoderSpeed(double[] prefill, double[] decode) {

  /** Classes are loaded and compiled before anything counts. */
  private static final double WARM_UP_SECONDS = 3;

  /**
   * @param prompt tokens of the prompt
   * @param generate tokens that follow it, one by one
   * @throws LatheException where the two are more than the model takes
   */
  public static DecoderSpeed measure(Decoder decoder, int prompt, int generate, int rounds) {
    var run = run(decoder, prompt, generate, rounds);
    run.warmUp();
    var prefill = new double[rounds];
    var decode = new double[rounds];
    for (int round = 0; round < rounds; round++) {
      run.round();
      prefill[round] = prompt / run.prefillSeconds;
      decode[round] = generate / run.decodeSeconds;
    }
    Arrays.sort(prefill);
    Arrays.sort(decode);
    return new DecoderSpeed(prefill, decode);
  }

  /**
   * How many times as many tokens a second one decoder takes as another.
   *
   * @param prefill of a prompt
   * @param decode after it
   */
  public record Ratio(double prefill, double decode) {}

  /** The two run in turn, so that what disturbs the machine disturbs both. Medians over rounds. */
  public static Ratio ratio(Decoder of, Decoder over, int prompt, int generate, int rounds) {
    var first = run(of, prompt, generate, rounds);
    var second = run(over, prompt, generate, rounds);
    first.warmUp();
    second.warmUp();
    var prefill = new double[rounds];
    var decode = new double[rounds];
    for (int round = 0; round < rounds; round++) {
      first.round();
      second.round();
      prefill[round] = second.prefillSeconds / first.prefillSeconds;
      decode[round] = second.decodeSeconds / first.decodeSeconds;
    }
    Arrays.sort(prefill);
    Arrays.sort(decode);
    return new Ratio(median(prefill), median(decode));
  }

  static Run run(Decoder decoder, int prompt, int generate, int rounds) {
    int context = decoder.config().context();
    if (prompt < 1 || generate < 1 || rounds < 1) {
      throw new LatheException("a prompt, what follows it and the rounds are 1 or more each");
    }
    if ((long) prompt + generate > context) {
      throw new LatheException(
          "%d tokens and %d more are over the model's context of %d"
              .formatted(prompt, generate, context));
    }
    return new Run(decoder, prompt, generate);
  }

  /** The middle of ascending figures; of an even number, the upper of the two middle ones. */
  public static double median(double[] ascending) {
    return ascending[ascending.length / 2];
  }

  /** Rounds of a prompt and what follows it. */
  static final class Run {
    private final Decoder decoder;
    private final int[] tokens;
    private final int prompt;
    private final Batch batch = new Batch();
    private double prefillSeconds;
    private double decodeSeconds;
    private boolean clocked;
    private Map<Address, Long> prefillTimes = Map.of();
    private Map<Address, Long> decodeTimes = Map.of();

    Run(Decoder decoder, int prompt, int generate) {
      this.decoder = decoder;
      this.prompt = prompt;
      int vocabulary = decoder.config().vocabulary();
      tokens = new SplittableRandom(1).ints(prompt + generate, 0, vocabulary).toArray();
    }

    void warmUp() {
      long began = System.nanoTime();
      do {
        round();
      } while (System.nanoTime() - began < WARM_UP_SECONDS * 1e9);
    }

    double prefillSeconds() {
      return prefillSeconds;
    }

    double decodeSeconds() {
      return decodeSeconds;
    }

    /** From now on the matrices are clocked. */
    void clock() {
      clocked = true;
    }

    /** Nanoseconds that the matrices took while the last round read. */
    Map<Address, Long> prefillTimes() {
      return prefillTimes;
    }

    /** Nanoseconds that the matrices took while the last round wrote. */
    Map<Address, Long> decodeTimes() {
      return decodeTimes;
    }

    void round() {
      try (var sequence = decoder.newSequence(tokens.length)) {
        if (clocked) {
          decoder.clock().start();
        }
        long start = System.nanoTime();
        for (int from = 0; from < prompt; ) {
          int to = Math.min(prompt, from + decoder.batchTokens());
          step(sequence, from, to);
          from = to;
        }
        long read = System.nanoTime();
        if (clocked) {
          prefillTimes = decoder.clock().stop();
          decoder.clock().start();
        }
        long write = System.nanoTime();
        for (int i = prompt; i < tokens.length; i++) {
          step(sequence, i, i + 1);
        }
        prefillSeconds = (read - start) / 1e9;
        decodeSeconds = (System.nanoTime() - write) / 1e9;
        decodeTimes = clocked ? decoder.clock().stop() : decodeTimes;
      }
    }

    private void step(Sequence sequence, int from, int to) {
      boolean wanted = to >= prompt;
      decoder.forward(
          batch.clear().add(sequence, tokens, from, to, wanted ? Wanted.LAST : Wanted.NONE));
      if (wanted) {
        decoder.logits(0, 1);
      }
    }
  }
}
