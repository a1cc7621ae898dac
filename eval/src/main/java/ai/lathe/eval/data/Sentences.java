package ai.lathe.eval.data;

import ai.lathe.model.Tokenizer;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Single texts as token sequences of their own lengths, for encoders. */
public final class Sentences {

  private Sentences() {}

  /**
   * Texts drawn at random, each with the special tokens that the tokenizer adds. The same on every
   * machine for the same text, tokenizer and seed.
   *
   * @param samples most texts; where there are fewer, all of them, and a note
   * @param length most tokens of a sequence; longer texts are cut, see {@link #encode}
   */
  public static Sequences sample(
      TextData text, Tokenizer tokenizer, int samples, int length, long seed) {
    if (samples < 1) {
      throw new LatheException("at least 1 text must be drawn, not " + samples);
    }
    var drawn = new Reservoir<String>(samples, Reservoir.random(seed));
    try (var documents = text.documents()) {
      documents.forEach(drawn::offer);
    }
    if (drawn.items().isEmpty()) {
      throw TextData.empty(text.file());
    }
    var notes = new ArrayList<String>();
    if (drawn.offered() < samples) {
      notes.add(
          "%s has %,d texts; these are used instead of %,d"
              .formatted(text.file(), drawn.offered(), samples));
    }
    return sequences(drawn.shuffled(), tokenizer, length, notes);
  }

  /**
   * The first texts of a file.
   *
   * @param most texts
   * @param length most tokens of a sequence
   */
  public static Sequences first(TextData text, Tokenizer tokenizer, int most, int length) {
    List<String> texts;
    try (var documents = text.documents()) {
      texts = documents.limit(most).toList();
    }
    if (texts.isEmpty()) {
      throw TextData.empty(text.file());
    }
    return sequences(texts, tokenizer, length, List.of());
  }

  private static Sequences sequences(
      List<String> texts, Tokenizer tokenizer, int length, List<String> notes) {
    var sequences = texts.stream().map(text -> encode(text, tokenizer, length)).toList();
    long tokens = sequences.stream().mapToLong(sequence -> sequence.length).sum();
    return new Sequences(sequences, tokens, notes);
  }

  /**
   * One text with its special tokens; where that is longer than {@code length}, the text's own
   * tokens are cut at their end and the special ones stay.
   */
  public static int[] encode(String text, Tokenizer tokenizer, int length) {
    var whole = tokenizer.encode(text);
    if (whole.length <= length) {
      return whole;
    }
    var plain = tokenizer.encodePlain(text);
    int special = Math.max(0, whole.length - plain.length);
    if (special >= length) {
      throw new LatheException(
          "a sequence length of "
              + length
              + " leaves no room beside "
              + special
              + " special tokens");
    }
    int before = 0;
    while (before < special
        && !Arrays.equals(whole, before, before + plain.length, plain, 0, plain.length)) {
      before++;
    }
    int after = special - before;
    var cut = Arrays.copyOf(whole, length);
    System.arraycopy(whole, whole.length - after, cut, length - after, after);
    return cut;
  }
}
