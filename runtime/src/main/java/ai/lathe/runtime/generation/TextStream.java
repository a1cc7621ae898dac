package ai.lathe.runtime.generation;

import ai.lathe.model.Tokenizer;
import java.util.Arrays;

/**
 * Tokens to text, a token at a time. The pieces together are what the tokenizer makes of all tokens
 * at once; none ends within a character. What depends on tokens to come is held back: the first
 * bytes of a character, and single-byte tokens until one of another kind follows, because a
 * tokenizer judges a run of them as a whole.
 *
 * <p>Only a few tokens are decoded at a time: those not shown yet, behind the last one shown, which
 * tells where a space belongs.
 */
public final class TextStream {

  private static final char REPLACEMENT = '\uFFFD';

  /** A character has at most 4 bytes, and a token at least one. */
  private static final int LONGEST_CHARACTER = 4;

  private final Tokenizer tokenizer;
  private int[] window = new int[16];
  private int count;
  private int shownTokens;
  private String shown = "";

  /** A text of its own. */
  public TextStream(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** A text that goes on where these tokens end. */
  public TextStream(Tokenizer tokenizer, int[] before) {
    this.tokenizer = tokenizer;
    int from = before.length;
    boolean whole = false;
    while (from > 0 && !whole) {
      from--;
      whole = !tokenizer.isSpecial(before[from]) && !tokenizer.isByte(before[from]);
    }
    for (int i = from; i < before.length; i++) {
      if (!tokenizer.isSpecial(before[i])) {
        put(before[i]);
      }
    }
    show(count);
  }

  /** The text that this token decides; often the token's own, empty where it is held back. */
  public String add(int token) {
    if (token < 0 || token >= tokenizer.vocabularySize() || tokenizer.isSpecial(token)) {
      return "";
    }
    put(token);
    return tokenizer.isByte(token) ? "" : decide(/* last= */ false);
  }

  /** What is still held back, when no more tokens come. */
  public String finish() {
    return shownTokens == count ? "" : decide(/* last= */ true);
  }

  private String decide(boolean last) {
    var text = decode(0, count);
    boolean open = !last && text.endsWith(String.valueOf(REPLACEMENT));
    if (open) {
      return count - shownTokens > 2 * LONGEST_CHARACTER ? decideFirst(text) : "";
    }
    var piece = beyondShown(text);
    if (piece.isEmpty() && !last) {
      return "";
    }
    show(count);
    return piece;
  }

  /** Many tokens that are no characters: all but the last few can be shown. */
  private String decideFirst(String text) {
    int split = count - LONGEST_CHARACTER;
    var first = decode(0, split);
    if (!(first + decode(split, count)).equals(text)) {
      return ""; // Between two bytes of a character.
    }
    var piece = beyondShown(first);
    show(split);
    return piece;
  }

  private String beyondShown(String text) {
    return text.substring(Math.min(shown.length(), text.length()));
  }

  /** From now on tokens before {@code to} are shown; the last of them stays in the window. */
  private void show(int to) {
    int from = Math.max(0, to - 1);
    // A run of bytes stays whole, see the class comment.
    while (from > 0 && tokenizer.isByte(window[from])) {
      from--;
    }
    System.arraycopy(window, from, window, 0, count - from);
    count -= from;
    shownTokens = to - from;
    shown = decode(0, shownTokens);
  }

  private String decode(int from, int to) {
    return from == to ? "" : tokenizer.decode(Arrays.copyOfRange(window, from, to));
  }

  private void put(int token) {
    if (count == window.length) {
      window = Arrays.copyOf(window, 2 * count);
    }
    window[count++] = token;
  }
}
