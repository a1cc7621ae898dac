package ai.lathe.model;

import java.util.OptionalInt;

/**
 * Text to token ids and back, by the model's own {@code tokenizer.json}. Safe for use by several
 * threads.
 */
public interface Tokenizer extends AutoCloseable {

  /**
   * With the special tokens that the tokenizer adds by itself (BOS, [CLS] .. [SEP]). Neither
   * truncated nor padded.
   */
  int[] encode(String text);

  /**
   * Without special tokens of its own. Those that the text itself spells out, as the text of a chat
   * template does, become single tokens all the same.
   */
  int[] encodePlain(String text);

  /** Special tokens are left out. */
  default String decode(int[] tokens) {
    return decode(tokens, /* special= */ false);
  }

  /**
   * The text of tokens; ids that the vocabulary lacks have none.
   *
   * @param special whether special tokens are spelled out
   */
  String decode(int[] tokens, boolean special);

  /** The id of a token by its text, special or not, if it is one token. */
  OptionalInt id(String token);

  /** Whether {@link #decode(int[])} leaves it out. */
  boolean isSpecial(int token);

  /** Whether it is a single byte of a character that has no token of its own. */
  boolean isByte(int token);

  int vocabularySize();

  @Override
  void close();
}
