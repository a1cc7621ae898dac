package ai.lathe.torch;

import ai.lathe.tensor.LatheException;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The real tokens of batches as rows of a matrix, a bounded number at a time; counts them. */
final class TokenRows {

  /** Tokens of one product: float32 sums of so many terms still have six good digits. */
  private static final int CHUNK = 4096;

  private final int size;
  private long tokens;
  private int skipped;

  TokenRows(int size) {
    this.size = size;
  }

  /** Gives {@code [tokens, in]} float32 to {@code use}, piece by piece. */
  void forEach(Tensor input, Tensor padding, Consumer<Tensor> use) {
    if (input.size(-1) != size) {
      throw new LatheException(
          "an input of " + input.size(-1) + " features for statistics of " + size);
    }
    var rows = input.detach().to(ScalarType.Float).reshape(-1, size);
    if (padding != null) {
      var real = padding.reshape(-1).to(ScalarType.Bool).nonzero().reshape(-1);
      rows = rows.index_select(0, real);
    }
    if (!Torch.finite(rows)) {
      skipped++;
      return;
    }
    long count = rows.size(0);
    for (long from = 0; from < count; from += CHUNK) {
      use.accept(rows.narrow(0, from, Math.min(CHUNK, count - from)));
    }
    tokens += count;
  }

  long tokens() {
    return tokens;
  }

  int skipped() {
    return skipped;
  }
}
