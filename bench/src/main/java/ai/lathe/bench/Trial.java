package ai.lathe.bench;

import ai.lathe.compress.Compression;
import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.report.Report;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Optional;
import java.util.function.BiFunction;

/**
 * One model and one pair of texts that recipes are tried on: each is written, opened again,
 * measured and removed.
 *
 * @param evaluation empty for a part of the calibration text that calibration does not see
 */
record Trial(
    String model,
    Path calibration,
    Optional<Path> evaluation,
    int samples,
    Optional<Integer> length,
    long seed) {

  /** By arguments, in which {@code -} stands for no evaluation text. */
  static Trial of(String model, String calibration, String evaluation, int samples, int length) {
    return new Trial(
        model,
        Path.of(calibration),
        evaluation.equals("-") ? Optional.empty() : Optional.of(Path.of(evaluation)),
        samples,
        Optional.of(length),
        0);
  }

  /** By the first five arguments of a program, in that order. */
  static Trial of(String[] arguments) {
    return of(
        arguments[0],
        arguments[1],
        arguments[2],
        Integer.parseInt(arguments[3]),
        Integer.parseInt(arguments[4]));
  }

  Report run(Recipe recipe) throws IOException {
    return run(recipe, (report, _) -> report);
  }

  /**
   * @param look at the artifact before it is removed
   */
  <T> T run(Recipe recipe, BiFunction<Report, Path, T> look) throws IOException {
    var folder = Files.createTempDirectory("lathe-trial");
    try {
      var request =
          new CompressionRequest(
              model,
              folder.resolve("artifact"),
              recipe,
              Optional.of(calibration),
              evaluation,
              "text",
              samples,
              length,
              seed,
              false,
              false);
      var report = Compression.run(request, Progress.NONE, _ -> {});
      return look.apply(report, request.artifact());
    } finally {
      delete(folder);
    }
  }

  /** What is better when smaller: the KL divergence, or one minus the cosine. */
  static double loss(Report report) {
    return switch (report.quality()) {
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
