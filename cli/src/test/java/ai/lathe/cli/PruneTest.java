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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code compress --prune} on the model that comes with Lathe. */
class PruneTest {

  @TempDir static Path folder;

  private static EmbeddedModel embedded;
  private static Path heldOut;

  @BeforeAll
  static void takeAPart() throws IOException {
    embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    heldOut = folder.resolve("heldout.txt");
    Files.writeString(heldOut, Files.readString(embedded.heldOut()).substring(0, 3000));
  }

  private static Invocation run(String command, Path model, Path out, String... more) {
    var words = new ArrayList<>(List.of(command, model.toString(), "-o", out.toString()));
    words.addAll(List.of("--data", embedded.calibration().toString()));
    words.addAll(List.of("--eval-data", heldOut.toString()));
    words.addAll(List.of("--samples", "4", "--seq-len", "64", "--json"));
    words.addAll(List.of(more));
    return Invocation.of(words.toArray(String[]::new));
  }

  /** Pruned, written, read again, and then rounded: the zeros are those of the first run. */
  @Test
  void whatIsPrunedStaysSparseWhenItIsRounded() {
    var sparse = folder.resolve("sparse");
    var first =
        run("compress", embedded.directory(), sparse, "--prune", "sparsegpt", "--pattern", "2:4");
    assertThat(first.code()).as(first.err()).isZero();
    var layers = first.json().get("layers");
    assertThat(layers).isNotEmpty();
    layers.forEach(layer -> assertThat(layer.get("encoding").asText()).startsWith("2:4 "));

    var rounded = run("compress", sparse, folder.resolve("rounded"), "--then", "W8A16");
    assertThat(rounded.code()).as(rounded.err()).isZero();
    rounded
        .json()
        .get("layers")
        .forEach(layer -> assertThat(layer.get("encoding").asText()).startsWith("2:4 int8"));

    var again =
        run("compress", sparse, folder.resolve("again"), "--prune", "wanda", "--sparsity", "0.6");
    assertThat(again.code()).as(again.err()).isZero();
    assertThat(again.err()).contains("sparse already (50.0 % of");
  }

  @Test
  void comparesMethodsBySparsity() {
    var out = folder.resolve("table");
    var table =
        run(
            "compare",
            embedded.directory(),
            out,
            "--methods",
            "magnitude,wanda",
            "--sparsities",
            "0.5",
            "--pattern",
            "2:4");
    assertThat(table.code()).as(table.err()).isZero();
    var rows = table.json().get("rows");
    assertThat(rows).hasSize(4);
    assertThat(rows.get(0).get("scheme").asText()).isEqualTo("50%");
    assertThat(rows.get(3).get("scheme").asText()).isEqualTo("2:4");
    assertThat(rows.get(3).get("method").asText()).isEqualTo("wanda");
    rows.forEach(row -> assertThat(row.get("kl").asDouble()).isPositive());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--prune wanda --sparsity 1 | not 1.0",
        "--prune wanda --sparsity -0.5 | from 0 up to",
        "--prune wanda --sparsity half | is a number",
        "--prune wanda | needs a sparsity",
        "--prune wanda --pattern 2:4 --sparsity 0.7 | contradicts",
        "--prune wanda --pattern 4:2 | n:m keeps n of every m",
        "--prune wanda --pattern 2:7 | 2:7 does not divide rows of",
        "--prune wandas --sparsity 0.5 | did you mean 'wanda'",
        "--prune wanda --sparsity 0.5 --prune-option scop=row | did you mean 'scope'",
        "--prune constant --sparsity 0.5 | this one has none",
        "--prune wanda --sparsity 0.5 --method gptq | need a --scheme",
        "--prune wanda --sparsity 0.5 --scheme W4A16 --method spqr | rtn and gptq do",
        "--sparsity 0.5 | belong to --prune",
      })
  void mistakesAreNamed(String options, String message) {
    var out = folder.resolve("never");
    assertMistake(run("compress", embedded.directory(), out, options.split(" ")), message);
    assertThat(out).doesNotExist();
  }
}
