package ai.lathe.cli;

import ai.lathe.runtime.generation.GenerationOptions;
import ai.lathe.runtime.generation.Sampling;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;

/**
 * The options of commands that write text. Values that are not given are {@link
 * Sampling#standard()}'s.
 */
final class GenerationArguments {

  @Option(
      names = {"-n", "--tokens"},
      paramLabel = "N",
      description = "Most tokens to write. Default: until the model ends or its context is full.")
  private Optional<Integer> tokens;

  @Option(
      names = "--temperature",
      paramLabel = "T",
      description = "0 takes the most probable token each time. Default: 0.8.")
  private Optional<Double> temperature;

  @Option(
      names = "--top-k",
      paramLabel = "N",
      description = "Draw among the N most probable tokens; 0 for all. Default: 40.")
  private Optional<Integer> topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      description =
          "Draw among the fewest tokens whose probabilities sum up to P; 1 for all. Default: 0.95.")
  private Optional<Double> topP;

  @Option(
      names = "--min-p",
      paramLabel = "P",
      description =
          "Draw among tokens at least P times as probable as the first; 0 for all. Default: 0.05.")
  private Optional<Double> minP;

  @Option(
      names = "--repetition-penalty",
      paramLabel = "X",
      description = "Makes every token that was there less probable; 1 for none. Default: 1.")
  private Optional<Double> repetition;

  @Option(
      names = "--presence-penalty",
      paramLabel = "X",
      description = "Subtracted from the logits of tokens that were written. Default: 0.")
  private Optional<Double> presence;

  @Option(
      names = "--frequency-penalty",
      paramLabel = "X",
      description = "Subtracted once for each time that the token was written. Default: 0.")
  private Optional<Double> frequency;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Same seed, same text. Default: another one each time.")
  private Optional<Long> seed;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "Ends before this text; may be given several times.")
  private List<String> stops = new ArrayList<>();

  GenerationOptions options() {
    var standard = Sampling.standard();
    var sampling =
        standard
            .withTemperature(temperature.orElse(standard.temperature()))
            .withTopK(topK.orElse(standard.topK()))
            .withTopP(topP.orElse(standard.topP()))
            .withMinP(minP.orElse(standard.minP()))
            .withPenalties(repetition.orElse(1.0), presence.orElse(0.0), frequency.orElse(0.0))
            .withSeed(seed.orElse(standard.seed()));
    return GenerationOptions.of(sampling)
        .withMaxTokens(tokens.orElse(GenerationOptions.UNLIMITED))
        .withStops(stops);
  }

  /**
   * Changes one setting by the name that its option has, without the dashes.
   *
   * @throws LatheException where there is none of that name, or its value is not one that it takes
   */
  static GenerationOptions with(GenerationOptions options, String name, String value) {
    var now = options.sampling();
    try {
      return switch (name) {
        case "tokens" -> options.withMaxTokens(Integer.parseInt(value));
        case "temperature" -> options.withSampling(now.withTemperature(Double.parseDouble(value)));
        case "top-k" -> options.withSampling(now.withTopK(Integer.parseInt(value)));
        case "top-p" -> options.withSampling(now.withTopP(Double.parseDouble(value)));
        case "min-p" -> options.withSampling(now.withMinP(Double.parseDouble(value)));
        case "repetition-penalty" ->
            options.withSampling(
                now.withPenalties(
                    Double.parseDouble(value), now.presencePenalty(), now.frequencyPenalty()));
        case "presence-penalty" ->
            options.withSampling(
                now.withPenalties(
                    now.repetitionPenalty(), Double.parseDouble(value), now.frequencyPenalty()));
        case "frequency-penalty" ->
            options.withSampling(
                now.withPenalties(
                    now.repetitionPenalty(), now.presencePenalty(), Double.parseDouble(value)));
        case "seed" -> options.withSampling(now.withSeed(Long.parseLong(value)));
        default -> throw LatheException.unknown("setting", name, SETTINGS);
      };
    } catch (NumberFormatException e) {
      throw new LatheException(name + " is a number, not '" + value + "'", e);
    }
  }

  private static final List<String> SETTINGS =
      List.of(
          "tokens",
          "temperature",
          "top-k",
          "top-p",
          "min-p",
          "repetition-penalty",
          "presence-penalty",
          "frequency-penalty",
          "seed");
}
