package ai.lathe.eval.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WindowsTest {

  private final ByteTokenizer tokenizer = ByteTokenizer.decoder();

  @TempDir Path folder;

  @Test
  void evaluationCutsTheWholeTextAndDropsTheRest() {
    var windows = Windows.evaluation(text("abcdefghijk"), tokenizer, 4);
    assertThat(shown(windows)).containsExactly("<s>abc", "defg", "hijk");
    assertThat(windows.textTokens()).isEqualTo(12);
    assertThat(windows.total()).isEqualTo(12);
    assertThat(windows.notes()).isEmpty();
    assertThat(shown(Windows.evaluation(text("abcdefghij"), tokenizer, 4)))
        .containsExactly("<s>abc", "defg");
    assertThat(shown(Windows.evaluation(text("abcdefghij"), tokenizer, 11)))
        .containsExactly("<s>abcdefghij");
  }

  @Test
  void evaluationOfRecordsPutsABlankLineBetween() throws IOException {
    var file = folder.resolve("a.jsonl");
    Files.writeString(file, "{\"text\": \"ab\"}\n{\"text\": \"cd\"}\n");
    assertThat(shown(Windows.evaluation(TextData.open(file), tokenizer, 7)))
        .containsExactly("<s>ab\n\ncd");
  }

  @Test
  void evaluationTokenizesSeveralMegabytesAtOnce() {
    var content = "0123456789abcdef".repeat(300_000);
    var windows = Windows.evaluation(text(content), tokenizer, 1000);
    assertThat(windows.count()).isEqualTo(4800);
    var joined = windows.tokens().stream().flatMapToInt(Arrays::stream).toArray();
    assertThat(joined).isEqualTo(Arrays.copyOf(tokenizer.encode(content), 4_800_000));
  }

  @Test
  void evaluationStopsAtItsLimitAndSaysSo() {
    var text = text("abcdefg\n".repeat(20));
    var windows = Windows.evaluation(text, tokenizer, 8, 60);
    assertThat(windows.textTokens()).isEqualTo(65); // on to the end of the line
    assertThat(windows.notes()).hasSize(1);
    assertThat(windows.notes().getFirst()).contains("only the first 64 characters");
    assertThat(Windows.evaluation(text, tokenizer, 8, 160).notes()).isEmpty();
  }

  @Test
  void textsThatAreTooShortSayWhatWouldDo() {
    assertRefused(
        () -> Windows.evaluation(text("abcd"), tokenizer, 6),
        "has 5 tokens, fewer than one sequence of 6; a sequence length of 5 or less");
    assertRefused(
        () -> Windows.calibration(text("abcd"), tokenizer, 2, 6, 0),
        "has 5 tokens, fewer than one sequence of 6; a sequence length of 5 or less");
    assertRefused(
        () -> Windows.evaluation(text("a"), tokenizer, 6),
        "has 2 tokens",
        "a longer text is needed");
    assertRefused(() -> Windows.evaluation(text(" \n "), tokenizer, 6), "is empty");
    assertRefused(() -> Windows.calibration(text(" \n "), tokenizer, 1, 6, 0), "is empty");
    assertRefused(() -> Windows.evaluation(text("abc"), tokenizer, 2), "at least 3");
    assertRefused(() -> Windows.calibration(text("abc"), tokenizer, 1, -1, 0), "at least 3");
    assertRefused(() -> Windows.calibration(text("abc"), tokenizer, 0, 3, 0), "at least 1 sample");
  }

  @Test
  void calibrationDrawsDifferentWindowsWithoutOverlap() {
    var windows = Windows.calibration(text(numbers(1000)), tokenizer, 50, 10, 42);
    assertThat(windows.count()).isEqualTo(50);
    assertThat(windows.notes()).isEmpty();
    var all = shown(Windows.evaluation(text(numbers(1000)), tokenizer, 10));
    assertThat(all).doesNotHaveDuplicates();
    assertThat(shown(windows)).doesNotHaveDuplicates().isSubsetOf(all);
    // From everywhere: all 50 in the first half by chance has probability 2^-50.
    assertThat(shown(windows).stream().mapToInt(all::indexOf).max().orElseThrow())
        .isGreaterThan(all.size() / 2);
  }

  @Test
  void calibrationIsTheSameForASeed() {
    var text = text(numbers(1000));
    var first = shown(Windows.calibration(text, tokenizer, 20, 10, 7));
    assertThat(shown(Windows.calibration(text, tokenizer, 20, 10, 7))).isEqualTo(first);
    assertThat(shown(Windows.calibration(text, tokenizer, 20, 10, 8))).isNotEqualTo(first);
    // Wherever this runs.
    assertThat(first.subList(0, 3))
        .containsExactly("\n520\n521\n5", "02\n603\n604", "\n290\n291\n2");
  }

  @Test
  void calibrationWithTooFewWindowsUsesThemAndSaysSo() {
    var windows = Windows.calibration(text(numbers(100)), tokenizer, 50, 100, 1);
    assertThat(windows.count()).isEqualTo(2);
    assertThat(windows.notes()).hasSize(1);
    assertThat(windows.notes().getFirst())
        .contains("has 2 windows of 100 tokens; calibration uses these instead of 50");
  }

  /** 24 MB are six pieces, more than are needed; windows come from several of them. */
  @Test
  void calibrationOfALongTextReadsPieces() {
    var content = numbers(3_000_000);
    var text = text(content);
    var windows = Windows.calibration(text, tokenizer, 40_000, 64, 3);
    assertThat(windows.count()).isEqualTo(40_000);
    assertThat(windows.textTokens()).isLessThan(content.length());
    var shown = shown(windows);
    assertThat(shown).doesNotHaveDuplicates();
    assertThat(shown.subList(0, 20))
        .allMatch(window -> content.contains(window.replace("<s>", "")), "in the text");
    assertThat(shown(Windows.calibration(text, tokenizer, 40_000, 64, 3))).isEqualTo(shown);
  }

  private static String numbers(int count) {
    return IntStream.range(0, count).mapToObj(i -> i + "\n").collect(Collectors.joining());
  }

  private List<String> shown(Sequences sequences) {
    return sequences.tokens().stream().map(one -> tokenizer.decode(one, true)).toList();
  }

  private static void assertRefused(Runnable action, String... messages) {
    assertThatThrownBy(action::run)
        .isInstanceOf(LatheException.class)
        .hasMessageContainingAll(messages)
        .hasMessageNotContaining("\n");
  }

  private TextData text(String content) {
    try {
      return TextData.open(Files.writeString(folder.resolve("a.txt"), content));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
