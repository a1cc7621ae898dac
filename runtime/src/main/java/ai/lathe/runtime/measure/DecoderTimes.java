package ai.lathe.runtime.measure;

import ai.lathe.model.Address;
import ai.lathe.runtime.execution.Decoder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Where the time of a decoded token goes, as measured in the decoder itself: weights come from
 * where they come from when it runs.
 *
 * @param matrices nanoseconds of a token in each of them, medians over the rounds
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
    var matrices = new HashMap<Address, List<Double>>();
    var tokens = new double[rounds];
    for (int round = 0; round < rounds; round++) {
      run.round();
      run.times()
          .forEach(
              (address, nanoseconds) ->
                  matrices
                      .computeIfAbsent(address, _ -> new ArrayList<>())
                      .add((double) nanoseconds / generate));
      tokens[round] = 1e9 * run.decodeSeconds() / generate;
    }
    var medians = new HashMap<Address, Double>();
    matrices.forEach((address, times) -> medians.put(address, median(times)));
    Arrays.sort(tokens);
    return new DecoderTimes(medians, DecoderSpeed.median(tokens));
  }

  private static double median(List<Double> times) {
    return DecoderSpeed.median(times.stream().mapToDouble(Double::doubleValue).sorted().toArray());
  }
}
