package ai.lathe.cli;

import ai.lathe.tensor.Progress;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/**
 * Where a command talks to: results to {@code out}, everything else to {@code err}.
 *
 * @param columns width of the terminal that {@code err} is; 0 where it is none
 */
record Console(PrintStream out, PrintStream err, int columns) {

  /** Loaded by commands that print JSON alone: it costs a tenth of a second. */
  private static final class Json {
    static final ObjectMapper MAPPER =
        JsonMapper.builder()
            .enable(SerializationFeature.INDENT_OUTPUT)
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .build();
  }

  /** A line of the result. */
  void print(String line) {
    out.println(line);
  }

  /** The whole result as one JSON object; records become objects with names in snake_case. */
  void json(Object result) {
    try {
      out.println(Json.MAPPER.writeValueAsString(result));
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Something to know that is not the result. */
  void say(String line) {
    err.println(line);
  }

  /** A bar on a terminal, a line now and then elsewhere. */
  Progress progress() {
    return columns > 0 ? new BarProgress(err, columns) : new LineProgress(err);
  }

  PrintWriter writer() {
    return new PrintWriter(out, true, StandardCharsets.UTF_8);
  }

  PrintWriter errorWriter() {
    return new PrintWriter(err, true, StandardCharsets.UTF_8);
  }
}
