package ai.lathe.eval.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TextDataTest {

  @TempDir Path folder;

  @Test
  void plainTextIsReadAsItIs() {
    var content = "\uFEFF one\r\ntwo\n\n\n  three\nfour \uD83D\uDE00\n \t\nfive\n\n";
    var text = TextData.open(write("a.txt", content));
    assertThat(whole(text)).isEqualTo(content);
    assertThat(documents(text))
        .containsExactly("\uFEFF one\r\ntwo", "  three\nfour \uD83D\uDE00", "five");
    assertThat(documents(text)).hasSize(3); // a second reading begins anew
  }

  @Test
  void paragraphsOfAFileWithoutBlankLinesAreBounded() {
    var text = TextData.open(write("a.txt", "word ".repeat(700_000)));
    var documents = documents(text);
    assertThat(documents).hasSize(4);
    assertThat(String.join(" ", documents) + " ").isEqualTo("word ".repeat(700_000));

    var unbroken = TextData.open(write("b.txt", "\uD83D\uDE00".repeat(2_000_000)));
    assertThat(documents(unbroken))
        .hasSize(2)
        .allSatisfy(d -> assertThat(d.length()).isLessThanOrEqualTo(2_200_000))
        .allSatisfy(d -> assertThat(Character.isHighSurrogate(d.charAt(d.length() - 1))).isFalse());
  }

  @ParameterizedTest
  @ValueSource(strings = {"a.txt", "a.raw", "a.md", "a.text", "wiki.test.tokens", "A.TXT"})
  void endingsOfPlainText(String name) {
    assertThat(documents(TextData.open(write(name, "x")))).containsExactly("x");
  }

  @Test
  void recordsOneALine() {
    var text =
        TextData.open(
            write(
                "a.jsonl",
                """
                {"id": 1, "text": "one\\nline", "tags": [{"text": "not this"}, 2], "o": {"text": 3}}

                {"text": "  "}
                {"text": null, "x": true}
                {"text": "caf\\u00e9 \\ud83d\\ude00"}
                """));
    assertThat(documents(text)).containsExactly("one\nline", "caf\u00e9 \uD83D\uDE00");
    assertThat(whole(text)).isEqualTo("one\nline\n\ncaf\u00e9 \uD83D\uDE00");
  }

  @Test
  void recordsInAnArrayAndAnotherField() {
    var file = write("a.json", "[{\"content\": \"a\"},\n {\"content\": \"b\", \"text\": \"c\"}]");
    assertThat(documents(TextData.open(file, "content"))).containsExactly("a", "b");
  }

  @Test
  void recordsThatAreWrongAreNamedByTheirLine() {
    assertJson("{\"text\": \"a\"}\n{\"text\": ", "line 2", "is not JSON");
    assertJson("{\"text\": \"a\"}\n{\"text\" \"b\"}\n", "line 2", "is not JSON");
    assertJson("{\"text\": \"a\"}\n\"b\"\n", "line 2", "holds no JSON object");
    assertJson("{\"text\": \"a\"}\n[{\"text\": [1]}]\n", "line 2", "field 'text' holds no text");
    assertJson("{\"text\": {\"a\": 1}}", "line 1", "field 'text' holds no text");
    assertJson(
        "{\"id\": 4, \"title\": \"t\", \"content\": \"c\"}",
        "line 1 has no field 'text'",
        "text is in title, content",
        "--field content");
    assertJson("{\"id\": 4}", "has no field 'text'", "nor any other with text");
    assertJson("[".repeat(5000), "JSON");
    assertJson("{\"x\":".repeat(5000), "is not JSON");
  }

  @Test
  void parquet() {
    var file = folder.resolve("it's [a] *table?.parquet");
    sql(
        "CREATE TABLE t AS SELECT i AS id, CASE WHEN i % 100 = 7 THEN NULL ELSE 'text ' || i END AS"
            + " text, 'other ' || i AS \"a \"\"b\" FROM range(5000) r(i)",
        "COPY t TO '"
            + file.toString().replace("'", "''")
            + "' (FORMAT parquet, ROW_GROUP_SIZE 2048)");
    var documents = documents(TextData.open(file));
    assertThat(documents).hasSize(4950);
    assertThat(documents.subList(5, 8)).containsExactly("text 5", "text 6", "text 8");
    assertThat(documents.getLast()).isEqualTo("text 4999");
    assertThat(documents(TextData.open(file, "a \"b")).get(7)).isEqualTo("other 7");
    assertThat(whole(TextData.open(file))).startsWith("text 0\n\ntext 1\n\n").endsWith("text 4999");
  }

  @Test
  void parquetThatIsWrong() {
    var file = folder.resolve("a.parquet");
    sql(
        "COPY (SELECT 1 AS id, 't' AS title, 'q' AS query, [1] AS list) TO '"
            + file
            + "' (FORMAT parquet)");
    assertRefused(TextData.open(file), "has no column 'text'", "title, query", "--field query");
    assertRefused(TextData.open(file, "id"), "column 'id' holds INTEGER, no text");
    assertRefused(TextData.open(file, "x\" FROM (SELECT 1); --"), "has no column");
    assertRefused(
        TextData.open(write("b.parquet", "PAR1 nothing PAR1")), "cannot be read as Parquet");
    assertRefused(TextData.open(write("c.parquet", "x")), "cannot be read as Parquet");
  }

  @Test
  void parquetCutShortAnywhere() throws IOException {
    var file = folder.resolve("a.parquet");
    sql(
        "COPY (SELECT 'text ' || i AS text FROM range(1000) r(i)) TO '"
            + file
            + "' (FORMAT parquet)");
    var bytes = Files.readAllBytes(file);
    for (int length = 1; length < bytes.length; length += 211) {
      var cut = folder.resolve("cut.parquet");
      Files.write(cut, java.util.Arrays.copyOf(bytes, length));
      assertRefused(TextData.open(cut), "cut.parquet cannot be read as Parquet");
    }
  }

  @Test
  void filesThatCannotBeText() throws IOException {
    assertOpenRefused(folder.resolve("none.txt"), "there is no such file");
    assertOpenRefused(folder, "is a directory");
    assertOpenRefused(write("a.txt", ""), "is empty");
    assertOpenRefused(write("a.parquet", ""), "is empty");
    assertOpenRefused(write("a.csv", "x"), ".txt", ".jsonl", ".parquet");
    assertOpenRefused(write("noending", "x"), ".txt", ".jsonl", ".parquet");
    assertOpenRefused(write("a.txt.gz", "x"), ".txt", ".jsonl", ".parquet");
    var secret = write("secret.txt", "x");
    Files.setPosixFilePermissions(secret, PosixFilePermissions.fromString("---------"));
    assumeFalse(Files.isReadable(secret), "this user may read everything");
    assertOpenRefused(secret, "permission denied");
  }

  @Test
  void bytesThatAreNotUtf8() throws IOException {
    var file = folder.resolve("latin.txt");
    var bytes = ("x\n".repeat(100_000) + "caf?").getBytes(StandardCharsets.ISO_8859_1);
    bytes[bytes.length - 1] = (byte) 0xE9;
    Files.write(file, bytes);
    assertRefused(TextData.open(file), "not UTF-8", "byte 0xE9 at offset 200003");
    var json = folder.resolve("latin.jsonl");
    Files.write(json, "{\"text\": \"\u00e9\"}".getBytes(StandardCharsets.ISO_8859_1));
    assertRefused(TextData.open(json), "not UTF-8", "byte 0xE9 at offset 10");
  }

  private void assertJson(String content, String... messages) {
    assertRefused(TextData.open(write("bad.jsonl", content)), messages);
  }

  /** By both ways of reading, with one line. */
  private static void assertRefused(TextData text, String... messages) {
    assertThatThrownBy(() -> documents(text))
        .isInstanceOf(LatheException.class)
        .hasMessageContainingAll(messages)
        .hasMessageNotContaining("\n")
        .hasMessageContaining(text.file().toString());
    assertThatThrownBy(() -> whole(text))
        .isInstanceOf(LatheException.class)
        .hasMessageContainingAll(messages);
  }

  private static void assertOpenRefused(Path file, String... messages) {
    assertThatThrownBy(() -> TextData.open(file))
        .isInstanceOf(LatheException.class)
        .hasMessageContainingAll(messages)
        .hasMessageNotContaining("\n")
        .hasMessageContaining(file.toString());
  }

  static List<String> documents(TextData text) {
    try (var documents = text.documents()) {
      return documents.toList();
    }
  }

  static String whole(TextData text) {
    try (var reader = text.reader()) {
      var whole = new StringWriter();
      reader.transferTo(whole);
      return whole.toString();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void sql(String... commands) {
    try (var connection = DriverManager.getConnection("jdbc:duckdb:");
        var statement = connection.createStatement()) {
      for (var command : commands) {
        statement.execute(command);
      }
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  private Path write(String name, String content) {
    try {
      return Files.writeString(folder.resolve(name), content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
