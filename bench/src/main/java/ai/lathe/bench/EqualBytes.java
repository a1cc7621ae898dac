package ai.lathe.bench;

import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.Scheme;
import ai.lathe.compress.report.LayerReport;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.IntegerScheme;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What methods lose at how many bytes: compresses a model once for each point, and prints the bits
 * that a compressed weight takes (scales, indices and outliers included), KL divergence (decoders)
 * or one minus the cosine (encoders) of the written artifact, the mean relative output error of its
 * layers on the calibration inputs, and the seconds that solving them took.
 *
 * <p>{@code EqualBytes MODEL CALIBRATION EVALUATION SAMPLES SEQUENCE-LENGTH POINT...}, where {@code
 * -} for the evaluation text means a part of the calibration text that calibration does not see,
 * and a point is {@code METHOD:BITS:GROUP:sym|asym[:KEY=VALUE,...]}, for example {@code
 * spqr:3:128:asym:outlier_share=0.005}.
 */
public final class EqualBytes {

  private EqualBytes() {}

  public static void main(String[] arguments) throws IOException {
    var trial = Trial.of(arguments);
    System.out.println(
        "| method | bits a weight | loss | layer error | s |\n|---|---|---|---|---|");
    for (var point : List.of(arguments).subList(5, arguments.length)) {
      var parts = point.split(":", 5);
      var scheme =
          new IntegerScheme(
              Integer.parseInt(parts[1]),
              Integer.parseInt(parts[2]),
              parts[3].equals("sym"),
              Activations.NONE);
      var recipe =
          Recipe.uniform(
              parts[0],
              new Scheme.Integers(scheme),
              Optional.empty(),
              Optional.empty(),
              settings(parts.length > 4 ? parts[4] : ""));
      var report = trial.run(recipe);
      System.out.printf(
          "| %s | %.4f | %.5f | %.5f | %.2f |%n",
          point,
          report.size().quantizedBitsPerWeight(),
          Trial.loss(report),
          report.layers().stream()
              .filter(LayerReport::calibrated)
              .mapToDouble(LayerReport::relativeError)
              .average()
              .orElse(Double.NaN),
          report.layers().stream().mapToDouble(LayerReport::seconds).sum());
      if (!report.fallbacks().isEmpty()) {
        System.err.printf(
            "%d fallbacks, the last: %s%n",
            report.fallbacks().size(), report.fallbacks().getLast());
      }
    }
  }

  private static Map<String, Object> settings(String text) {
    var settings = new LinkedHashMap<String, Object>();
    for (var setting : text.isEmpty() ? new String[0] : text.split(",")) {
      var pair = setting.split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    return settings;
  }
}
