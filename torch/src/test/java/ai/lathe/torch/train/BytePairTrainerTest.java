package ai.lathe.torch.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.tokenizer.JsonTokenizer;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class BytePairTrainerTest {

  private static final int BYTES = 2 + 256;

  private static final JsonTokenizer TOKENIZER =
      JsonTokenizer.of(
          BytePairTrainer.train(
              List.of("the cat and the dog and the bird sat on the mat, didn't they?"), BYTES + 30),
          "test");

  @Test
  void theMostFrequentPairIsMergedFirst() {
    // Words and counts: "ab" 1, " ab" 2, " abc" 1, so (a, b) stands 4 times, (space, ab) 3 times.
    var tokenizer = BytePairTrainer.train(List.of("ab ab ab abc"), BYTES + 3);
    var merges = tokenizer.at("/model/merges");
    assertThat(merges.get(0).asText()).isEqualTo("a b");
    assertThat(merges.get(1).asText()).isEqualTo("Ġ ab");
    assertThat(merges.get(2).asText()).isEqualTo("Ġab c");
    assertThat(tokenizer.at("/model/vocab/Ġabc").asInt()).isEqualTo(BYTES + 2);
  }

  @Test
  void ofEqualPairsTheLowerIdsWin() {
    var tokenizer = BytePairTrainer.train(List.of("xy ab"), BYTES + 1);
    // "xy" and " ab": (space, a), (a, b) and (x, y) once each; the letter of the space byte has
    // the lowest id.
    assertThat(tokenizer.at("/model/merges/0").asText()).isEqualTo("Ġ a");
  }

  @Test
  void aTextWithoutPairsEndsEarly() {
    var tokenizer = BytePairTrainer.train(List.of("a"), BYTES + 10);
    assertThat(tokenizer.at("/model/vocab")).hasSize(BYTES);
  }

  @Test
  void mergesAreUsedByTheTokenizerLibrary() {
    var tokens = TOKENIZER.encodePlain("the the");
    assertThat(tokens).hasSizeLessThan(7);
    assertThat(TOKENIZER.encode("the the")).hasSize(tokens.length + 1).startsWith(0);
  }

  @Property(tries = 200)
  void everyTextComesBack(@ForAll String text) {
    // Half a surrogate pair is no text, and the names of special tokens are not text either.
    var valid =
        new String(
            text.getBytes(java.nio.charset.StandardCharsets.UTF_8),
            java.nio.charset.StandardCharsets.UTF_8);
    assertThat(TOKENIZER.decode(TOKENIZER.encodePlain(valid))).isEqualTo(valid);
  }
}
