package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportCommandTest {

  private static final String REPORT =
      """
      {"version": "0.1.0", "model": "org/name", "artifact": "%s",
       "size": {"original_bytes": 1000000, "artifact_bytes": 250000, "ratio": 4.0},
       "quality": {"perplexity": 20.5, "tokens": 4064, "kl": 0.0125, "ear": 0.975, "top1": 0.96,
                   "reference_perplexity": 20.0}}
      """;

  @TempDir private Path folder;

  @Test
  void aDirectoryAndAFileSideBySide() throws IOException {
    var directory = Files.createDirectory(folder.resolve("small"));
    Files.writeString(directory.resolve("report.json"), REPORT.formatted("small"));
    Files.writeString(folder.resolve("m.gguf"), "");
    Files.writeString(folder.resolve("m.gguf.report.json"), REPORT.formatted("m.gguf"));
    var page = folder.resolve("page.html");

    var both = report(directory.toString(), folder.resolve("m.gguf").toString(), page);
    assertThat(both.code()).as(both.err()).isZero();
    assertThat(both.out()).isEqualTo(page + System.lineSeparator());
    assertThat(Files.readString(page))
        .contains("2 artifacts of name, 4.0× smaller, KL 0.0125", ">small</th>", ">m.gguf</th>");

    // A page may be replaced by another.
    assertThat(report(directory.toString(), directory.toString(), page).code()).isZero();
    assertThat(Files.readString(page)).contains(">small (2)</th>");
  }

  @Test
  void oneRunHasItsPageBesideItsReport() throws IOException {
    var file = Files.writeString(folder.resolve("report.json"), REPORT.formatted("small"));
    var one = Invocation.of("report", file.toString());
    assertThat(one.code()).as(one.err()).isZero();
    assertThat(Files.readString(folder.resolve("report.html")))
        .contains("<h1>4.0× smaller, EAR 0.9750, KL 0.0125 on held-out text</h1>");
  }

  @Test
  void mistakesAreTold() throws IOException {
    var file = Files.writeString(folder.resolve("report.json"), REPORT.formatted("small"));
    var other = Files.writeString(folder.resolve("notes.html"), "<p>mine</p>");
    mistake(report(file.toString(), file.toString(), other), "is no page of Lathe's");
    assertThat(other).hasContent("<p>mine</p>");
    mistake(Invocation.of("report", folder.resolve("nothing").toString()), "there is no file");
    mistake(Invocation.of("report", folder.toString() + "/notes.html"), "has no report");
    Files.writeString(file, "{\"rows\": []}");
    mistake(Invocation.of("report", file.toString()), "is no report of 'lathe compress'");
  }

  private static Invocation report(String first, String second, Path page) {
    return Invocation.of("report", first, second, "-o", page.toString());
  }

  private static void mistake(Invocation invocation, String words) {
    assertThat(invocation.code()).isEqualTo(Main.BAD_INPUT);
    assertThat(invocation.err()).contains(words);
    assertThat(invocation.err().strip()).doesNotContain("\n");
  }
}
