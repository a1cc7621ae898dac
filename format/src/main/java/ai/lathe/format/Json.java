package ai.lathe.format;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * Strict JSON files: no duplicate names, nothing after the value, bounded size and depth. Every
 * failure is a {@link FormatException} that names the file.
 */
public final class Json {

  /** Larger than any tokenizer.json or index in use; a value tree takes several times its text. */
  public static final long LARGEST_FILE = 256L << 20;

  private static final int DEEPEST = 100;

  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(DEEPEST)
                  .maxStringLength(64 << 20)
                  .maxNameLength(64 << 10)
                  .maxNumberLength(400)
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build();

  private static final ObjectMapper MAPPER =
      JsonMapper.builder(FACTORY).enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  private Json() {}

  /** Reads a file that holds one JSON object. */
  public static ObjectNode read(Path file) {
    return parse(bytes(file), file.toString());
  }

  /** Reads one JSON object from UTF-8 text. {@code where} names its origin in messages. */
  public static ObjectNode parse(byte[] text, String where) {
    JsonNode value;
    try {
      value = MAPPER.readTree(text);
    } catch (IOException e) {
      throw malformed(where, e);
    }
    if (value instanceof ObjectNode object) {
      return object;
    }
    throw new FormatException(where + ": expected a JSON object");
  }

  /** An empty object. */
  public static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  /** A generator of compact text in UTF-8. */
  public static JsonGenerator generator(OutputStream out) throws IOException {
    return FACTORY.createGenerator(out);
  }

  /** A parser under the same limits, for what is too large for a tree. */
  public static JsonParser parser(byte[] text) throws IOException {
    return FACTORY.createParser(text);
  }

  /** Indented text that ends with a line end, in UTF-8. */
  public static byte[] print(JsonNode value) {
    try {
      return (MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(value) + "\n")
          .getBytes(StandardCharsets.UTF_8);
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException("a tree that cannot be printed", e);
    }
  }

  /** Writes indented text beside {@code file} and moves it into place. */
  public static void write(Path file, JsonNode value) {
    var beside = file.resolveSibling(file.getFileName() + ".part");
    try {
      Files.write(beside, print(value));
      Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      try {
        Files.deleteIfExists(beside);
      } catch (IOException ignored) {
        e.addSuppressed(ignored);
      }
      throw FormatException.io("cannot write " + file, e);
    }
  }

  /** A message for malformed text, without the parser's own multi-line location. */
  public static FormatException malformed(String where, IOException e) {
    if (e instanceof JsonProcessingException json) {
      var at = json.getLocation();
      var line = at == null || at.getLineNr() < 0 ? "" : " (line " + at.getLineNr() + ")";
      return new FormatException(
          where + ": not valid JSON" + line + ": " + json.getOriginalMessage(), e);
    }
    return FormatException.io(where + ": not valid JSON", e);
  }

  private static byte[] bytes(Path file) {
    try {
      long size = Files.size(file);
      if (size > LARGEST_FILE) {
        throw new FormatException(
            file + ": " + size + " bytes of JSON; at most " + LARGEST_FILE + " are read");
      }
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw FormatException.io("cannot read " + file, e);
    }
  }
}
