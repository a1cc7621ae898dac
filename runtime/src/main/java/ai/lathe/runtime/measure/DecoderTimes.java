package ai.lathe.runtime.measure;

import ai.lathe.model.Address;
import ai.lathe.runtime.execution.Decoder;
import java.util.HashMap;
import java.util.Map;

/**
 * Where the time of a token goes, as measured in the decoder itself: weights come from where they
 * come from when it runs. All figures are the least of some rounds: what disturbs a machine only
 * adds.
 *
 * @param prefill of a token of a prompt
 * @param decode of a token that is written
 */
public record DecoderTimes(Times prefill, Times decode) {

  /**
   * @param matrices nanoseconds of a token in each of them
   * @param token nanoseconds of a token in all
   */
  public record Times(Map<Address, Double> matrices, double token) {

    public Times {
      matrices = Map.copyOf(matrices);
    }

    private static final Times NONE = new Times(Map.of(), Double.POSITIVE_INFINITY);

    private Times least(Map<Address, Long> nanoseconds, double seconds, int tokens) {
      var all = new HashMap<>(matrices);
      nanoseconds.forEach((address, took) -> all.merge(address, (double) took / tokens, Math::min));
      return new Times(all, Math.min(token, 1e9 * seconds / tokens));
    }
  }

  /** Parameters as {@link DecoderSpeed#measure} has them. */
  public static DecoderTimes measure(Decoder decoder, int prompt, int generate, int rounds) {
    var run = DecoderSpeed.run(decoder, prompt, generate, rounds);
    run.warmUp();
    run.clock();
    var prefill = Times.NONE;
    var decode = Times.NONE;
    for (int round = 0; round < rounds; round++) {
      run.round();
      prefill = prefill.least(run.prefillTimes(), run.prefillSeconds(), prompt);
      decode = decode.least(run.decodeTimes(), run.decodeSeconds(), generate);
    }
    return new DecoderTimes(prefill, decode);
  }
}
