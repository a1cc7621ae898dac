package ai.lathe.cli;

import static ai.lathe.cli.MainTest.assertMistake;
import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.EmbeddedModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Methods side by side, on the model that comes with Lathe. */
class CompareCommandTest {

  @TempDir static Path folder;

  private static EmbeddedModel embedded;
  private static Path heldOut;

  @BeforeAll
  static void takeAPart() throws IOException {
    embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    heldOut = folder.resolve("heldout.txt");
    Files.writeString(heldOut, Files.readString(embedded.heldOut()).substring(0, 6000));
  }

  private static Invocation compare(Path out, String... more) {
    var words =
        new ArrayList<>(
            List.of("compare", embedded.directory().toString(), "-o", out.toString(), "--data"));
    words.addAll(List.of(embedded.calibration().toString(), "--eval-data", heldOut.toString()));
    words.addAll(List.of("--samples", "8", "--seq-len", "64", "--group-size", "32"));
    words.addAll(List.of(more));
    return Invocation.of(words.toArray(String[]::new));
  }

  @Test
  void everyMethodAtEverySchemeAndMoreOfThemLater() throws IOException {
    var out = folder.resolve("table");
    var first = compare(out, "--methods", "rtn", "--schemes", "W4A16,W2A16", "--json");
    assertThat(first.code()).as(first.err()).isZero();
    var rows = first.json().get("rows");
    assertThat(rows).hasSize(2);
    double four = rows.get(0).get("kl").asDouble();
    double two = rows.get(1).get("kl").asDouble();
    assertThat(two).isGreaterThan(2 * four);
    assertThat(rows.get(1).get("bytes").asLong()).isLessThan(rows.get(0).get("bytes").asLong());

    assertMistake(compare(out, "--methods", "rtn"), "--resume");
    var more =
        compare(out, "--methods", "rtn,gptq", "--schemes", "W4A16,W2A16", "--resume", "--json");
    assertThat(more.code()).as(more.err()).isZero();
    rows = more.json().get("rows");
    assertThat(rows).hasSize(4);
    assertThat(rows.get(0)).isEqualTo(first.json().get("rows").get(0));
    assertThat(rows.get(3).get("kl").asDouble()).isPositive().isNotEqualTo(two);
    // Only what was new was run.
    assertThat(more.err()).contains("W2A16 gptq").doesNotContain("W2A16 rtn");
    try (var left = Files.list(out)) {
      assertThat(left.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder(
              "comparison.json", "comparison.md", "report.html", "measured.journal");
    }
    assertThat(Files.readString(out.resolve("report.html")))
        .contains("<h1>4 ways of compressing measured; W4A16 by ", "data-figure=\"fidelity\"");
    assertThat(Files.readAllLines(out.resolve("comparison.md")))
        .contains("| scheme | rtn | gptq |")
        .anyMatch(line -> line.startsWith("| W2A16 | gptq | "));
    assertMistake(compare(out, "--resume", "--seed", "1"), "another seed");
  }

  @Test
  void mistakesAreNamed() {
    var out = folder.resolve("never");
    assertMistake(compare(out, "--schemes", "W4A61"), "did you mean 'W4A16'?");
    assertMistake(compare(out, "--gguf", "Q4_X"), "Q4_");
    assertMistake(compare(out, "--methods", "gtpq"), "did you mean 'gptq'?");
    assertMistake(compare(out, "--schemes", "W4A16,W4A16"), "twice");
    assertThat(out).doesNotExist();
  }
}
