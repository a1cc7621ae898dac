package ai.lathe.cli;

import static ai.lathe.cli.MainTest.assertMistake;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.model.EmbeddedModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SearchCommandTest {

  @TempDir static Path folder;

  private static Invocation search(Path out, String... more) {
    var embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    var words =
        new ArrayList<>(List.of("search", embedded.directory().toString(), "-o", out.toString()));
    words.addAll(List.of("--data", embedded.calibration().toString()));
    words.addAll(List.of("--samples", "4", "--seq-len", "32"));
    words.addAll(List.of(more));
    return Invocation.of(words.toArray(String[]::new));
  }

  @Test
  void levelsAreMadeMeasuredAndAdded() {
    var out = folder.resolve("levels");
    var first = search(out, "--levels", "rtn:W4A16,rtn:W2A16", "--sensitivity", "kl", "--json");
    assertThat(first.code()).as(first.err()).isZero();
    assertThat(first.err()).contains("estimate: ");
    var levels = first.json().get("levels");
    assertThat(levels).hasSize(2);
    var four = levels.get(0);
    var two = levels.get(1);
    assertThat(four.get("bits_per_weight").asDouble()).isCloseTo(4.127, within(0.005));
    for (var loss : List.of("OUTPUT", "WEIGHT", "HESSIAN", "FISHER", "KL")) {
      assertThat(two.get("losses").get(loss).asDouble())
          .as(loss)
          .isGreaterThan(4 * four.get("losses").get(loss).asDouble());
    }

    var more = search(out, "--levels", "rtn:W2A16,rtn:W8A16");
    assertThat(more.code()).as(more.err()).isZero();
    assertThat(more.out().lines().map(line -> line.split(" ")[0]))
        .containsExactly("level", "rtn:W4A16", "rtn:W2A16", "rtn:W8A16");
    assertThat(search(out, "--levels", "rtn:W8A16").err()).contains("holds all of these levels");
    assertMistake(search(out, "--levels", "W3A16", "--seed", "1"), "made with another data");
    assertMistake(search(out, "--gguf", "Q4_K"), "is for compressed-tensors, not for gguf");
  }

  @Test
  void mistakesAreToldBeforeAnythingIsWritten() {
    var out = folder.resolve("nothing");
    assertMistake(search(out, "--levels", "W4A61"), "did you mean 'W4A16'?");
    assertMistake(search(out, "--levels", "awq:W4A16"), "unknown level 'awq'");
    assertMistake(search(out, "--levels", "Q4_K"), "level Q4_K is a type of GGUF files");
    assertMistake(search(out, "--gguf", "W4A16"), "has no place in a GGUF file");
    assertMistake(search(out, "--levels", "W4A16", "--sensitivity", "ppl"), "did you mean 'kl'?");
    assertMistake(search(out, "--levels", "W4A16", "--reference", "W3A16"), "did you mean 'W4A16'");
    assertMistake(search(out, "--levels", "W4A16", "--gguf", "Q4_K"), "mutually exclusive");
    assertThat(Files.exists(out)).isFalse();
  }
}
