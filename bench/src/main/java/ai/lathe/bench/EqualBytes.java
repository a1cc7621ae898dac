package ai.lathe.bench;

import ai.lathe.compress.Compression;
import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.Scheme;
import ai.lathe.compress.report.LayerReport;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
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
      var folder = Files.createTempDirectory("lathe-bytes");
      try {
        var request =
            new CompressionRequest(
                arguments[0],
                folder.resolve("artifact"),
                recipe,
                Optional.of(Path.of(arguments[1])),
                arguments[2].equals("-") ? Optional.empty() : Optional.of(Path.of(arguments[2])),
                "text",
                Integer.parseInt(arguments[3]),
                Optional.of(Integer.valueOf(arguments[4])),
                0,
                false,
                false);
        var report = Compression.run(request, Progress.NONE, _ -> {});
        System.out.printf(
            "| %s | %.4f | %.5f | %.5f | %.2f |%n",
            point,
            report.size().quantizedBitsPerWeight(),
            loss(report.quality()),
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
      } finally {
        delete(folder);
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

  private static double loss(Measurement measured) {
    return switch (measured) {
      case Measurement.Language language -> language.kl();
      case Measurement.Embedding embedding -> 1 - embedding.cosine();
    };
  }

  private static void delete(Path folder) throws IOException {
    try (var files = Files.walk(folder)) {
      for (var file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
