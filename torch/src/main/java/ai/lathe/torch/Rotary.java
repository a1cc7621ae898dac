package ai.lathe.torch;

import ai.lathe.model.ModelConfig.Rope;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Rotary positions (Su et al. 2021, arXiv 2104.09864): feature {@code i} of a head and feature
 * {@code i + dimensions / 2} turn together by {@code position * frequency[i]}. Features beyond
 * {@code dimensions} stay.
 */
final class Rotary implements AutoCloseable {

  private final Rope rope;
  private final int half;
  private Tensor cosines;
  private Tensor sines;
  private int positions;

  Rotary(Rope rope) {
    this.rope = rope;
    this.half = rope.dimensions() / 2;
  }

  /** Turns {@code [batch, heads, tokens, head]}, the first token at position 0. */
  Tensor rotate(Tensor heads) {
    int tokens = (int) heads.size(2);
    prepare(tokens);
    var cosine = cosines.narrow(0, 0, tokens);
    var sine = sines.narrow(0, 0, tokens);
    var first = heads.narrow(3, 0, half);
    var second = heads.narrow(3, half, half);
    var turned =
        new TensorVector(
            first.mul(cosine).sub(second.mul(sine)), second.mul(cosine).add(first.mul(sine)));
    long rest = heads.size(3) - 2L * half;
    if (rest > 0) {
      turned.push_back(heads.narrow(3, 2L * half, rest));
    }
    return torch.cat(turned, 3);
  }

  /** Angles are computed in double: in float32 they lose three digits at position 1000. */
  private void prepare(int tokens) {
    if (tokens <= positions && rope.sameFrequencies(tokens, positions)) {
      return;
    }
    var frequencies = rope.frequencies(tokens);
    var cosine = new float[tokens * half];
    var sine = new float[tokens * half];
    for (int t = 0; t < tokens; t++) {
      for (int i = 0; i < half; i++) {
        cosine[t * half + i] = (float) (rope.stretch() * Math.cos(t * frequencies[i]));
        sine[t * half + i] = (float) (rope.stretch() * Math.sin(t * frequencies[i]));
      }
    }
    close();
    try (var _ = new PointerScope()) {
      cosines = Torch.owned(() -> Torch.ofFloats(cosine, tokens, half));
      sines = Torch.owned(() -> Torch.ofFloats(sine, tokens, half));
    }
    positions = tokens;
  }

  @Override
  public void close() {
    if (cosines != null) {
      cosines.close();
      sines.close();
      cosines = null;
      positions = 0;
    }
  }
}
