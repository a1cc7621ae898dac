package ai.lathe.eval.data;

import ai.lathe.model.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** A token a byte, with special tokens around the text. */
public final class ByteTokenizer implements Tokenizer {

  public static final int BEGIN = 256;
  public static final int END = 257;

  private final boolean begin;
  private final boolean end;

  private ByteTokenizer(boolean begin, boolean end) {
    this.begin = begin;
    this.end = end;
  }

  /** As Llama's: BOS in front. */
  public static ByteTokenizer decoder() {
    return new ByteTokenizer(true, false);
  }

  /** As BERT's: [CLS] .. [SEP]. */
  public static ByteTokenizer encoder() {
    return new ByteTokenizer(true, true);
  }

  @Override
  public int[] encode(String text) {
    return IntStream.concat(
            IntStream.concat(
                begin ? IntStream.of(BEGIN) : IntStream.empty(), IntStream.of(encodePlain(text))),
            end ? IntStream.of(END) : IntStream.empty())
        .toArray();
  }

  @Override
  public int[] encodePlain(String text) {
    var bytes = text.getBytes(StandardCharsets.UTF_8);
    return IntStream.range(0, bytes.length).map(i -> Byte.toUnsignedInt(bytes[i])).toArray();
  }

  @Override
  public String decode(int[] tokens, boolean special) {
    var text = new StringBuilder();
    for (int token : tokens) {
      if (!isSpecial(token)) {
        text.append((char) token);
      } else if (special) {
        text.append(token == BEGIN ? "<s>" : "</s>");
      }
    }
    return text.toString();
  }

  @Override
  public OptionalInt id(String token) {
    return switch (token) {
      case "<s>" -> OptionalInt.of(BEGIN);
      case "</s>" -> OptionalInt.of(END);
      default -> token.length() == 1 ? OptionalInt.of(token.charAt(0)) : OptionalInt.empty();
    };
  }

  @Override
  public boolean isSpecial(int token) {
    return token >= BEGIN;
  }

  @Override
  public boolean isByte(int token) {
    return false;
  }

  @Override
  public int vocabularySize() {
    return 258;
  }

  @Override
  public void close() {}
}
