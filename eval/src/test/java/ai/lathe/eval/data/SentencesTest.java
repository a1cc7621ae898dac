package ai.lathe.eval.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SentencesTest {

  private final ByteTokenizer tokenizer = ByteTokenizer.encoder();

  @TempDir Path folder;

  @Test
  void eachTextHasItsOwnLengthAndSpecialTokens() {
    var sequences = Sentences.first(text("one\n\nfourteen\n\nthree\n"), tokenizer, 10, 8);
    assertThat(shown(sequences)).containsExactly("<s>one</s>", "<s>fourte</s>", "<s>three</s>");
    assertThat(sequences.total()).isEqualTo(5 + 8 + 7);
    assertThat(Sentences.first(text("one\n\ntwo\n\nthree\n"), tokenizer, 2, 8).count())
        .isEqualTo(2);
  }

  @Test
  void longTextsAreCutBetweenTheSpecialTokens() {
    assertThat(tokenizer.decode(Sentences.encode("abcdef", tokenizer, 8), true))
        .isEqualTo("<s>abcdef</s>");
    assertThat(tokenizer.decode(Sentences.encode("abcdef", tokenizer, 7), true))
        .isEqualTo("<s>abcde</s>");
    assertThat(tokenizer.decode(Sentences.encode("abcdef", tokenizer, 3), true))
        .isEqualTo("<s>a</s>");
    assertThat(tokenizer.decode(Sentences.encode("abcdef", ByteTokenizer.decoder(), 4), true))
        .isEqualTo("<s>abc");
    assertThatThrownBy(() -> Sentences.encode("abcdef", tokenizer, 2))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("no room beside 2 special tokens");
  }

  @Test
  void samplesAreTheSameForASeedAndWithoutRepetition() {
    var text =
        text(
            IntStream.range(0, 500).mapToObj(i -> "text " + i).collect(Collectors.joining("\n\n")));
    var first = shown(Sentences.sample(text, tokenizer, 40, 64, 5));
    assertThat(first).hasSize(40).doesNotHaveDuplicates();
    assertThat(shown(Sentences.sample(text, tokenizer, 40, 64, 5))).isEqualTo(first);
    assertThat(shown(Sentences.sample(text, tokenizer, 40, 64, 6))).isNotEqualTo(first);
    assertThat(first.subList(0, 3))
        .containsExactly("<s>text 279</s>", "<s>text 96</s>", "<s>text 361</s>");
  }

  /** Each of 20 texts is drawn in 5 of 20 cases; 4000 draws give 1000 +- 27 each. */
  @Test
  void samplesAreUniform() {
    var reservoirCounts = new int[20];
    for (int seed = 0; seed < 4000; seed++) {
      var reservoir = new Reservoir<Integer>(5, Reservoir.random(seed));
      IntStream.range(0, 20).forEach(reservoir::offer);
      reservoir.shuffled().forEach(i -> reservoirCounts[i]++);
    }
    assertThat(reservoirCounts)
        .satisfies(
            counts -> {
              for (int count : counts) {
                assertThat(count).isBetween(1000 - 5 * 27, 1000 + 5 * 27);
              }
            });
  }

  @Test
  void fewerTextsThanAskedForAreUsedAndSaid() {
    var sequences = Sentences.sample(text("one\n\ntwo"), tokenizer, 5, 64, 0);
    assertThat(shown(sequences)).containsExactlyInAnyOrder("<s>one</s>", "<s>two</s>");
    assertThat(sequences.notes()).hasSize(1);
    assertThat(sequences.notes().getFirst()).contains("has 2 texts; these are used instead of 5");
    assertThatThrownBy(() -> Sentences.sample(text("\n \n"), tokenizer, 5, 64, 0))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("is empty");
    assertThatThrownBy(() -> Sentences.sample(text("a"), tokenizer, 0, 64, 0))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("at least 1 text");
  }

  private List<String> shown(Sequences sequences) {
    return sequences.tokens().stream().map(one -> tokenizer.decode(one, true)).toList();
  }

  private TextData text(String content) {
    try {
      return TextData.open(Files.writeString(folder.resolve("a.txt"), content));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
