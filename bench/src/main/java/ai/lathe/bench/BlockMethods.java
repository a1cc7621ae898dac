package ai.lathe.bench;

import ai.lathe.compress.Compression;
import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.report.ReportFile;
import ai.lathe.compress.report.page.ReportPage;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.block.BlockTypes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the methods make of each GGUF type: compresses a decoder by rounding to nearest, by the same
 * with errors weighed by importance, and by GPTQ, and prints the mean KL divergence of each file
 * that was written from the original.
 *
 * <p>{@code BlockMethods MODEL CALIBRATION EVALUATION SAMPLES SEQUENCE-LENGTH [TYPE...]}, where
 * {@code -} for the evaluation text means a part of the calibration text that calibration does not
 * see.
 */
public final class BlockMethods {

  private record Method(String label, String name, Map<String, Object> settings) {}

  private static final List<Method> METHODS =
      List.of(
          new Method("RTN", "rtn", Map.of()),
          new Method("RTN, importance", "rtn", Map.of("importance", true)),
          new Method("GPTQ", "gptq", Map.of()));

  private BlockMethods() {}

  public static void main(String[] arguments) throws IOException {
    var evaluation =
        arguments[2].equals("-") ? Optional.<Path>empty() : Optional.of(Path.of(arguments[2]));
    var types =
        arguments.length > 5
            ? List.of(arguments).subList(5, arguments.length)
            : BlockTypes.all().stream().map(Object::toString).toList();
    System.out.print("| type | bits |");
    METHODS.forEach(method -> System.out.printf(" %s |", method.label()));
    System.out.println("\n|---|---|" + "---|".repeat(METHODS.size()));
    for (var type : types) {
      var block = BlockTypes.named(type);
      System.out.printf("| %s | %.4g |", type, 8.0 * block.bytes() / block.size());
      for (var method : METHODS) {
        var file = Files.createTempFile("lathe", ".gguf");
        try {
          var request =
              new CompressionRequest(
                  arguments[0],
                  file,
                  Recipe.gguf(method.name(), block, method.settings()),
                  Optional.of(Path.of(arguments[1])),
                  evaluation,
                  "text",
                  Integer.parseInt(arguments[3]),
                  Optional.of(Integer.valueOf(arguments[4])),
                  0,
                  false,
                  true);
          var report = Compression.run(request, Progress.NONE, _ -> {});
          System.out.printf(" %.5f |", ((Measurement.Language) report.quality()).kl());
        } finally {
          Files.deleteIfExists(file);
          Files.deleteIfExists(ReportFile.of(file));
          Files.deleteIfExists(ReportPage.of(file));
        }
      }
      System.out.println();
    }
  }
}
