package ai.lathe.model;

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

  /** Without any special tokens. */
  int[] encodePlain(String text);

  /** Special tokens are left out. */
  String decode(int[] tokens);

  int vocabularySize();

  @Override
  void close();
}
