package ai.lathe.model.checkpoint;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.tokenizer.JsonTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/** The small files beside a model's weights, and its tokenizer; read when first asked for. */
final class Companions implements AutoCloseable {

  static final String TOKENIZER = "tokenizer.json";
  static final String TOKENIZER_CONFIG = "tokenizer_config.json";
  static final String CHAT_TEMPLATE = "chat_template.jinja";

  /** What goes along with a model from one directory to the next; the last ones pool sentences. */
  static final List<String> FILES =
      List.of(
          TOKENIZER,
          TOKENIZER_CONFIG,
          "special_tokens_map.json",
          "generation_config.json",
          CHAT_TEMPLATE,
          "chat_template.json",
          "added_tokens.json",
          "vocab.json",
          "merges.txt",
          "vocab.txt",
          "tokenizer.model",
          "modules.json",
          "sentence_bert_config.json",
          "config_sentence_transformers.json",
          "1_Pooling/config.json");

  private final String where;
  private final Supplier<Map<String, byte[]>> source;
  private Map<String, byte[]> files;
  private Tokenizer tokenizer;

  /**
   * @param where names the model in messages
   */
  Companions(String where, Supplier<Map<String, byte[]>> source) {
    this.where = where;
    this.source = source;
  }

  static Companions in(Path directory) {
    return new Companions(directory.toString(), () -> read(directory));
  }

  /** Of one model among several in a directory: a tokenizer may carry the model's name. */
  static Companions in(Path directory, Path model) {
    return new Companions(
        model.toString(),
        () -> {
          var files = read(directory);
          if (!files.containsKey(TOKENIZER)) {
            ownTokenizer(model).ifPresent(own -> files.put(TOKENIZER, bytesOf(own)));
          }
          return files;
        });
  }

  /** {@code name-tokenizer.json} beside {@code name.onnx}. */
  private static Optional<Path> ownTokenizer(Path model) {
    var stem = model.getFileName().toString().replaceFirst("\\.[^.]*$", "");
    return Optional.of(model.resolveSibling(stem + "-" + TOKENIZER)).filter(Files::isRegularFile);
  }

  private static Map<String, byte[]> read(Path directory) {
    var files = new LinkedHashMap<String, byte[]>();
    for (var name : FILES) {
      var file = directory.resolve(name);
      if (Files.isRegularFile(file)) {
        files.put(name, bytesOf(file));
      }
    }
    return files;
  }

  private static byte[] bytesOf(Path file) {
    try {
      if (Files.size(file) > Json.LARGEST_FILE) {
        throw new FormatException(file + ": larger than any tokenizer");
      }
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw FormatException.io("cannot read " + file, e);
    }
  }

  static long bytes(Path directory, Path model) {
    boolean own = !Files.exists(directory.resolve(TOKENIZER));
    return bytes(directory) + (own ? ownTokenizer(model).map(Sizes::of).orElse(0L) : 0);
  }

  /** Bytes of those files in a directory, without reading them. */
  static long bytes(Path directory) {
    return FILES.stream()
        .map(directory::resolve)
        .filter(Files::isRegularFile)
        .mapToLong(Sizes::of)
        .sum();
  }

  synchronized Map<String, byte[]> files() {
    if (files == null) {
      files = Map.copyOf(source.get());
    }
    return files;
  }

  synchronized Optional<Tokenizer> tokenizer() {
    if (tokenizer == null && files().containsKey(TOKENIZER)) {
      tokenizer = JsonTokenizer.of(files().get(TOKENIZER), where + ": " + TOKENIZER);
    }
    return Optional.ofNullable(tokenizer);
  }

  @Override
  public synchronized void close() {
    if (tokenizer != null) {
      tokenizer.close();
      tokenizer = null;
    }
  }
}
