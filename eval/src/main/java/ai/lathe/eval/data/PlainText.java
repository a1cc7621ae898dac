package ai.lathe.eval.data;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Path;
import java.util.stream.Stream;

/** A plain text file in UTF-8. */
record PlainText(Path file) implements TextData {

  /** A paragraph that grows beyond this is cut, so that a file without blank lines streams too. */
  private static final int LONGEST_PARAGRAPH = 1 << 20;

  @Override
  public Reader reader() {
    return Utf8.open(file);
  }

  @Override
  public Stream<String> documents() {
    var reader = new BufferedReader(reader());
    return new Documents() {
      @Override
      String read() {
        var paragraph = new StringBuilder();
        try {
          for (int c = reader.read(); c >= 0; c = reader.read()) {
            paragraph.append((char) c);
            if (c == '\n' && endsWithBlankLine(paragraph)
                || paragraph.length() >= LONGEST_PARAGRAPH && Character.isWhitespace(c)
                || paragraph.length() >= 2 * LONGEST_PARAGRAPH
                    && !Character.isHighSurrogate((char) c)) {
              return paragraph.toString().stripTrailing();
            }
          }
        } catch (IOException e) {
          throw Utf8.unreadable(file, e);
        }
        return paragraph.isEmpty() ? null : paragraph.toString().stripTrailing();
      }

      @Override
      public void close() {
        Utf8.close(reader, file);
      }
    }.stream();
  }

  /** Whether the last line, whose line feed was just appended, is blank. */
  private static boolean endsWithBlankLine(StringBuilder text) {
    int i = text.length() - 2;
    while (i >= 0 && text.charAt(i) != '\n' && Character.isWhitespace(text.charAt(i))) {
      i--;
    }
    return i < 0 || text.charAt(i) == '\n';
  }
}
