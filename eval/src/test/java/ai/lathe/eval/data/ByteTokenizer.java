package ai.lathe.eval.data;

import ai.lathe.model.Tokenizer;
import java.nio.charset.StandardCharsets;
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
  public String decode(int[] tokens) {
    var text = new StringBuilder();
    for (int token : tokens) {
      text.append(token == BEGIN ? "<s>" : token == END ? "</s>" : (char) token + "");
    }
    return text.toString();
  }

  @Override
  public int vocabularySize() {
    return 258;
  }

  @Override
  public void close() {}
}
