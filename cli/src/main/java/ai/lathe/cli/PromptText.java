package ai.lathe.cli;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Text that a user gives in a file or on standard input, as it is: no line end is taken off. */
final class PromptText {

  private static final String STANDARD_INPUT = "-";

  private PromptText() {}

  /**
   * @param file {@code -} for standard input
   */
  static String read(Path file) {
    boolean piped = file.toString().equals(STANDARD_INPUT);
    try {
      var bytes = piped ? System.in.readAllBytes() : Files.readAllBytes(file);
      return decode(bytes, piped ? "standard input" : file.toString());
    } catch (NoSuchFileException e) {
      throw new LatheException("there is no file " + file, e);
    } catch (IOException e) {
      throw new LatheException("cannot read " + file + ": " + e.getMessage(), e);
    }
  }

  /**
   * @param where names the origin in messages
   */
  static String decode(byte[] bytes, String where) {
    var in = ByteBuffer.wrap(bytes);
    var out = CharBuffer.allocate(bytes.length);
    var result = StandardCharsets.UTF_8.newDecoder().decode(in, out, /* endOfInput= */ true);
    if (result.isError()) {
      throw new LatheException(
          "%s is not UTF-8 text: byte 0x%02x at position %d belongs to no character"
              .formatted(where, in.get(in.position()), in.position()));
    }
    return out.flip().toString();
  }

  /**
   * Java turns what the locale's encoding cannot say into a replacement character before the
   * program sees it.
   */
  static String argument(String text) {
    if (text.indexOf('\uFFFD') >= 0) {
      throw new LatheException(
          "the prompt holds bytes that are no characters in the locale's encoding, %s; set LC_ALL=C.UTF-8, or use --prompt-file"
              .formatted(System.getProperty("sun.jnu.encoding")));
    }
    return text;
  }
}
