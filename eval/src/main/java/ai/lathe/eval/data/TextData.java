package ai.lathe.eval.data;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Text in a file: plain, JSON records (one a line, or an array of them) or a column of a Parquet
 * table. It is read as a stream, as often as asked for; a file may be larger than memory.
 *
 * <p>Everything that is wrong with a file is a {@link LatheException}, at opening where the file
 * itself tells it and otherwise where it is met.
 */
public sealed interface TextData permits PlainText, JsonText, ParquetText {

  /** The field or column that is read where none is named. */
  String DEFAULT_FIELD = "text";

  Path file();

  /**
   * The texts one by one, blank ones left out: the paragraphs of a plain text (separated by blank
   * lines), or the records. To be closed.
   */
  Stream<String> documents();

  /**
   * The whole as one text: a plain file as it is, records with a blank line between. To be closed.
   */
  Reader reader();

  /** Reads field {@value #DEFAULT_FIELD} where the file has fields. */
  static TextData open(Path file) {
    return open(file, DEFAULT_FIELD);
  }

  /**
   * Opens a file by its ending.
   *
   * @param field of JSON records or Parquet tables; of no meaning to plain text
   */
  static TextData open(Path file, String field) {
    if (!Files.exists(file)) {
      throw new LatheException("no text at " + file + ": there is no such file");
    }
    if (Files.isDirectory(file)) {
      throw new LatheException(file + " is a directory; a text file is needed");
    }
    if (!Files.isReadable(file)) {
      throw new LatheException(file + " cannot be read: permission denied");
    }
    try {
      if (Files.isRegularFile(file) && Files.size(file) == 0) {
        throw empty(file);
      }
    } catch (IOException e) {
      throw new LatheException(file + " cannot be read: " + e.getMessage(), e);
    }
    var name = file.getFileName().toString();
    var ending = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    return switch (ending) {
      case "txt", "text", "raw", "md", "tokens" -> new PlainText(file);
      case "jsonl", "ndjson", "json" -> new JsonText(file, field);
      case "parquet" -> new ParquetText(file, field);
      default ->
          throw new LatheException(
              "do not know how to read text from "
                  + file
                  + "; its name should end in .txt (also .text, .raw, .md, .tokens), .jsonl (also"
                  + " .ndjson, .json) or .parquet");
    };
  }

  /** What to say of a file without any text. */
  static LatheException empty(Path file) {
    return new LatheException(file + " is empty; a text is needed");
  }
}
