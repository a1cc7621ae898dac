package ai.lathe.compress.report;

import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Where the report of an artifact stands, and how it gets there. */
public final class ReportFile {

  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(SerializationFeature.INDENT_OUTPUT)
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .build();

  private ReportFile() {}

  /**
   * In the artifact where that is a directory, beside it where it is a file: {@code
   * model.gguf.report.json}.
   */
  public static Path of(Path artifact) {
    return Files.isDirectory(artifact)
        ? artifact.resolve("report.json")
        : artifact.resolveSibling(artifact.getFileName() + ".report.json");
  }

  /** Writes a record as JSON, beside the place and then into it. */
  public static void write(Object report, Path file) {
    var partial = file.resolveSibling(file.getFileName() + ".partial");
    try {
      JSON.writeValue(partial.toFile(), report);
      Files.move(
          partial, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new LatheException("cannot write " + file + ": " + e.getMessage(), e);
    }
  }
}
