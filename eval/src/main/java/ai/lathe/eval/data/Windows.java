package ai.lathe.eval.data;

import ai.lathe.model.Tokenizer;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.io.Reader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Windows of equal length from one text, for language models. */
public final class Windows {

  /** With fewer, no position has both a predecessor and a place in the second half. */
  private static final int SHORTEST = 3;

  /** Most characters that are tokenized for evaluation; the tokenizer holds all of it at once. */
  private static final int LONGEST_TEXT = 1 << 26;

  /** Texts up to this many characters are tokenized whole for calibration. */
  private static final int PIECE = 1 << 22;

  /** Calibration looks at this many pieces of a longer text, chosen at random, or more. */
  private static final int PIECES = 8;

  /** A generous guess of how many characters a token stands for. */
  private static final int CHARACTERS_A_TOKEN = 8;

  private Windows() {}

  /**
   * The text tokenized whole, with the special tokens that the tokenizer adds by itself, cut into
   * windows without overlap; the last partial one is dropped. Of a text beyond 64 million
   * characters about the first so many are taken, which a note says.
   *
   * @param length tokens of a window
   */
  public static Sequences evaluation(TextData text, Tokenizer tokenizer, int length) {
    return evaluation(text, tokenizer, length, LONGEST_TEXT);
  }

  /** Of a text with more characters than {@code longest}, about so many are taken. */
  static Sequences evaluation(TextData text, Tokenizer tokenizer, int length, int longest) {
    requireLength(length);
    var notes = new ArrayList<String>();
    int[] tokens;
    try (var reader = text.reader()) {
      var whole = read(reader, longest);
      requireText(whole, text);
      if (reader.read() >= 0) {
        notes.add(
            "only the first %,d characters of %s are evaluated"
                .formatted(whole.length(), text.file()));
      }
      tokens = tokenizer.encode(whole);
    } catch (IOException e) {
      throw Utf8.unreadable(text.file(), e);
    }
    var windows = new ArrayList<int[]>();
    cut(tokens, length, windows);
    requireWindows(windows, tokens.length, length, text);
    return new Sequences(windows, tokens.length, notes);
  }

  /**
   * Windows without overlap in random places: the text is tokenized whole, cut, and {@code samples}
   * of its windows are drawn. A text of many million characters is tokenized by pieces, as many
   * random ones as it takes. The same on every machine for the same text, tokenizer and seed.
   *
   * @param samples most windows; where the text has fewer, all of them, and a note
   * @param length tokens of a window
   */
  public static Sequences calibration(
      TextData text, Tokenizer tokenizer, int samples, int length, long seed) {
    requireLength(length);
    if (samples < 1) {
      throw new LatheException("calibration needs at least 1 sample, not " + samples);
    }
    var random = Reservoir.random(seed);
    long characters = (long) CHARACTERS_A_TOKEN * length;
    int piece = (int) Math.min(Math.max(PIECE, 2 * characters), LONGEST_TEXT);
    int kept = (int) Math.min(Math.max(PIECES, 2 * samples * characters / piece), 1 << 6);
    var pieces = new Reservoir<String>(kept, random);
    try (var reader = text.reader()) {
      for (var part = read(reader, piece); !part.isEmpty(); part = read(reader, piece)) {
        pieces.offer(part);
      }
    } catch (IOException e) {
      throw Utf8.unreadable(text.file(), e);
    }
    requireText(pieces.items().isEmpty() ? "" : pieces.items().getFirst(), text);

    var windows = new ArrayList<int[]>();
    long tokens = 0;
    // Several times as many as needed, so that they do not all come from one place.
    for (var part : pieces.shuffled()) {
      if (windows.size() >= 4L * samples) {
        break;
      }
      var encoded = tokenizer.encode(part);
      tokens += encoded.length;
      cut(encoded, length, windows);
    }
    requireWindows(windows, tokens, length, text);
    var notes = new ArrayList<String>();
    if (windows.size() < samples) {
      notes.add(
          "%s has %,d windows of %,d tokens; calibration uses these instead of %,d"
              .formatted(text.file(), windows.size(), length, samples));
    }
    Reservoir.shuffle(windows, random);
    return new Sequences(windows.subList(0, Math.min(samples, windows.size())), tokens, notes);
  }

  private static void cut(int[] tokens, int length, List<int[]> windows) {
    for (int from = 0; from + length <= tokens.length; from += length) {
      windows.add(Arrays.copyOfRange(tokens, from, from + length));
    }
  }

  /**
   * The next {@code size} characters, and on to the end of the line or to twice as many; fewer at
   * the end.
   */
  private static String read(Reader reader, int size) throws IOException {
    var text = new StringBuilder();
    var buffer = new char[1 << 13];
    while (text.length() < size) {
      int count = reader.read(buffer, 0, Math.min(buffer.length, size - text.length()));
      if (count < 0) {
        return text.toString();
      }
      text.append(buffer, 0, count);
    }
    char last = text.charAt(text.length() - 1);
    while (Character.isHighSurrogate(last) || last != '\n' && text.length() < 2L * size) {
      int next = reader.read();
      if (next < 0) {
        break;
      }
      last = (char) next;
      text.append(last);
    }
    return text.toString();
  }

  private static void requireLength(int length) {
    if (length < SHORTEST) {
      throw new LatheException(
          "a sequence length of " + length + " is too short; it must be at least " + SHORTEST);
    }
  }

  private static void requireText(String text, TextData source) {
    if (text.isBlank()) {
      throw TextData.empty(source.file());
    }
  }

  private static void requireWindows(
      List<int[]> windows, long tokens, int length, TextData source) {
    if (windows.isEmpty()) {
      throw new LatheException(
          source.file()
              + " has "
              + tokens
              + " tokens, fewer than one sequence of "
              + length
              + (tokens < SHORTEST
                  ? "; a longer text is needed"
                  : "; a sequence length of " + tokens + " or less, or a longer text, would work"));
    }
  }
}
