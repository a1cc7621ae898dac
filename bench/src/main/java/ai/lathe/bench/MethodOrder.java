package ai.lathe.bench;

import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.Scheme;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.IntegerScheme;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Does the order of methods that the papers report show on a model? Compresses it at 4 and 3 bits
 * by rounding to nearest with min-max scales, with searched scales, and by GPTQ, and prints KL
 * divergence (decoders) or one minus the cosine (encoders) of each written artifact: smaller is
 * better.
 *
 * <p>{@code MethodOrder MODEL GROUP CALIBRATION EVALUATION [SAMPLES SEQUENCE-LENGTH]}, where {@code
 * -} for the evaluation text means a part of the calibration text that calibration does not see.
 */
public final class MethodOrder {

  private record Method(
      String label, String name, ScaleSearch search, Map<String, Object> settings) {}

  private static final List<Method> METHODS =
      List.of(
          new Method("RTN", "rtn", ScaleSearch.MIN_MAX, Map.of()),
          new Method("MSE-RTN", "rtn", ScaleSearch.MSE, Map.of()),
          new Method("GPTQ min-max", "gptq", ScaleSearch.MIN_MAX, Map.of()),
          new Method("GPTQ", "gptq", ScaleSearch.MSE, Map.of()),
          new Method("GPTQ no act-order", "gptq", ScaleSearch.MSE, Map.of("actorder", "none")));

  private MethodOrder() {}

  public static void main(String[] arguments) throws IOException {
    int group = Integer.parseInt(arguments[1]);
    int samples =
        arguments.length > 4 ? Integer.parseInt(arguments[4]) : CompressionRequest.SAMPLES;
    var length =
        arguments.length > 5
            ? Optional.of(Integer.valueOf(arguments[5]))
            : Optional.<Integer>empty();
    var evaluation =
        arguments[3].equals("-") ? Optional.<Path>empty() : Optional.of(Path.of(arguments[3]));
    var trial = new Trial(arguments[0], Path.of(arguments[2]), evaluation, samples, length, 0);
    System.out.printf("%s, group %d%n%n| scheme |", arguments[0], group);
    METHODS.forEach(method -> System.out.printf(" %s |", method.label()));
    System.out.println("\n|---|" + "---|".repeat(METHODS.size()));
    for (int bits : new int[] {4, 3}) {
      System.out.printf("| W%dA16 |", bits);
      for (var method : METHODS) {
        var scheme = new Scheme.Integers(new IntegerScheme(bits, group, true, Activations.NONE));
        var recipe =
            Recipe.uniform(
                method.name(),
                scheme,
                Optional.empty(),
                Optional.of(method.search()),
                method.settings());
        System.out.printf(" %.5f |", Trial.loss(trial.run(recipe)));
      }
      System.out.println();
    }
  }
}
