package ai.lathe.runtime.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.model.Tokenizer;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.AlphaChars;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.constraints.StringLength;
import org.junit.jupiter.api.Test;

class TextStreamTest {

  private static final Tokenizer BYTES = TinyTokenizers.byteLevel();
  private static final Tokenizer PIECES = TinyTokenizers.sentencePiece();

  /** Whatever the tokens: valid and broken characters, special tokens, ids that do not exist. */
  @Property(tries = 400, seed = "11")
  void piecesAreTheWhole(
      @ForAll long seed, @ForAll @IntRange(min = 0, max = 60) int count, @ForAll boolean bytes) {
    var tokenizer = bytes ? BYTES : PIECES;
    var random = new SplittableRandom(seed);
    int range = tokenizer.vocabularySize() + 2;
    // Mostly from one corner of the vocabulary, so that characters and runs come about.
    int corner = random.nextInt(range);
    var tokens =
        IntStream.range(0, count)
            .map(
                i ->
                    random.nextInt(4) > 0
                        ? (corner + random.nextInt(12)) % range
                        : random.nextInt(range))
            .toArray();
    assertThat(text(new TextStream(tokenizer), tokens)).isEqualTo(tokenizer.decode(tokens));
  }

  @Property(tries = 200, seed = "12")
  void realTextStreamsAsItself(@ForAll @StringLength(max = 30) String text, @ForAll boolean bytes) {
    var valid =
        new String(
            text.getBytes(java.nio.charset.StandardCharsets.UTF_8),
            java.nio.charset.StandardCharsets.UTF_8);
    var tokenizer = bytes ? BYTES : PIECES;
    var tokens = tokenizer.encode(valid);
    assertThat(text(new TextStream(tokenizer), tokens)).isEqualTo(tokenizer.decode(tokens));
  }

  @Property(tries = 200, seed = "13")
  void aTextGoesOn(
      @ForAll @StringLength(max = 12) String prompt,
      @ForAll @Size(max = 12) List<@IntRange(min = 257, max = 264) Integer> more) {
    var before = PIECES.encode(prompt);
    var tokens = more.stream().mapToInt(Integer::intValue).toArray();
    var all = IntStream.concat(Arrays.stream(before), Arrays.stream(tokens)).toArray();
    assertThat(PIECES.decode(before) + text(new TextStream(PIECES, before), tokens))
        .isEqualTo(PIECES.decode(all));
  }

  private static String text(TextStream stream, int[] tokens) {
    var text = new StringBuilder();
    for (int token : tokens) {
      var piece = stream.add(token);
      assertThat(piece.isEmpty() || !Character.isHighSurrogate(piece.charAt(piece.length() - 1)))
          .isTrue();
      text.append(piece);
    }
    return text + stream.finish();
  }

  @Test
  void nothingIsShownBeforeItsCharacterIsWhole() {
    var tokens = BYTES.encode("a\u20ac\ud83d\ude00b");
    var stream = new TextStream(BYTES);
    var pieces = Arrays.stream(tokens).mapToObj(stream::add).toList();
    assertThat(pieces).containsExactly("a", "", "\u20ac", "", "\ud83d\ude00", "b");
  }

  @Test
  void theFirstSpaceIsTheTexts() {
    int word = PIECES.encode("a")[0];
    assertThat(new TextStream(PIECES).add(word)).isEqualTo("a");
    assertThat(new TextStream(PIECES, new int[] {word, 0}).add(word)).isEqualTo(" a");
  }

  /** A stream of broken bytes is neither kept for ever nor decoded again and again. */
  @Test
  void brokenBytesAreShownInTheEnd() {
    var stream = new TextStream(BYTES);
    int shown = 0;
    for (int i = 0; i < 100; i++) {
      shown += stream.add(0xFF + 1).length();
      assertThat(shown).isGreaterThanOrEqualTo(i - 9);
    }
    assertThat(shown + stream.finish().length()).isEqualTo(100);
  }

  /** However the text is cut, the same end is found, and nothing of it was shown before. */
  @Property(tries = 500, seed = "14")
  void stopStringsAreFoundAcrossPieces(
      @ForAll @StringLength(max = 40) @AlphaChars String letters,
      @ForAll @Size(min = 1, max = 3)
          List<@StringLength(min = 1, max = 4) @AlphaChars String> words,
      @ForAll long seed) {
    // Two letters only, so that stop strings do occur and overlap.
    var text = letters.replaceAll("[a-mA-M]", "x").replaceAll("[^x]", "y");
    var stops =
        words.stream().map(w -> w.replaceAll("[a-mA-M]", "x").replaceAll("[^x]", "y")).toList();
    var random = new SplittableRandom(seed);
    var stopper = new StopStrings(stops);
    var shown = new ArrayList<String>();
    for (int at = 0; at < text.length() && stopper.found() == null; ) {
      int to = Math.min(text.length(), at + 1 + random.nextInt(5));
      shown.add(stopper.add(text.substring(at, to)));
      at = to;
    }
    shown.add(stopper.finish());
    assertThat(String.join("", shown)).isEqualTo(before(text, stops));
  }

  private static String before(String text, List<String> stops) {
    for (int end = 1; end <= text.length(); end++) {
      var head = text.substring(0, end);
      var found = stops.stream().filter(head::endsWith).mapToInt(String::length).max();
      if (found.isPresent()) {
        return head.substring(0, end - found.getAsInt());
      }
    }
    return text;
  }

  @Test
  void stopStringsNameThemselves() {
    var stopper = new StopStrings(List.of("\n\n", "User:"));
    assertThat(stopper.add("Yes.\n")).isEqualTo("Yes.");
    assertThat(stopper.add("Us")).isEqualTo("\n");
    assertThat(stopper.add("er: no")).isEmpty();
    assertThat(stopper.found()).isEqualTo("User:");
    assertThat(stopper.finish()).isEmpty();
    assertThatThrownBy(() -> new StopStrings(List.of("")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("empty");
  }
}
