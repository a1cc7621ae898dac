package ai.lathe.runtime.measure;

import ai.lathe.model.Address;
import ai.lathe.runtime.execution.Decoder;
import java.util.HashMap;
import java.util.Map;

/**
 * Where the time of a decoded token goes, as measured in the decoder itself: weights come from
 * where they come from when it runs. All figures are the least of some rounds: what disturbs a
 * machine only adds.
 *
 * @param matrices nanoseconds of a token in each of them
 * @param token nanoseconds of a token in all
 */
public record DecoderTimes(Map<Address, Double> matrices, double token) {

  public DecoderTimes {
    matrices = Map.copyOf(matrices);
  }

  /** Parameters as {@link DecoderSpeed#measure} has them. */
  public static DecoderTimes measure(Decoder decoder, int prompt, int generate, int rounds) {
    var run = DecoderSpeed.run(decoder, prompt, generate, rounds);
    run.warmUp();
    run.clock();
    var matrices = new HashMap<Address, Double>();
    double token = Double.POSITIVE_INFINITY;
    for (int round = 0; round < rounds; round++) {
      run.round();
      run.times()
          .forEach(
              (address, nanoseconds) ->
                  matrices.merge(address, (double) nanoseconds / generate, Math::min));
      token = Math.min(token, 1e9 * run.decodeSeconds() / generate);
    }
    return new DecoderTimes(matrices, token);
  }
}
