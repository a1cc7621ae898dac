package ai.lathe.compress.report;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
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
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
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

  /**
   * The report that somebody means.
   *
   * @param named an artifact, as a directory or a file, or the report itself
   */
  public static Path named(Path named) {
    var file = named.getFileName().toString().endsWith(".json") ? named : of(named);
    if (!Files.isRegularFile(file)) {
      throw new LatheException(
          Files.exists(named)
              ? "%s has no report: there is no file %s".formatted(named, file)
              : "there is no file or directory " + named);
    }
    return file;
  }

  /** Reads what any version wrote; what it did not know of yet is empty. */
  public static Report read(Path file) {
    try {
      var report = JSON.readValue(file.toFile(), Report.class);
      if (report == null || report.model() == null || report.size() == null) {
        throw new FormatException(
            file + " is no report of 'lathe compress': it tells of no model and no size");
      }
      return report;
    } catch (JacksonException e) {
      throw new FormatException(
          "%s is no report of 'lathe compress': %s".formatted(file, e.getOriginalMessage()), e);
    } catch (IOException e) {
      throw new LatheException("cannot read " + file + ": " + e.getMessage(), e);
    }
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
