package ai.lathe.torch;

import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.RotaryPairs;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Rotary positions (Su et al. 2021, arXiv 2104.09864): feature {@code i} of a head and feature
 * {@code i + dimensions / 2} turn together by {@code position * frequency[i]}. Features beyond
 * {@code dimensions} stay. Heads that keep a part of the pairs turn each by its own frequency.
 */
final class Rotary implements AutoCloseable {

  private final Rope rope;

  /**
   * Indices of frequencies, for each key-value head; one row for all heads where they are whole.
   */
  private final List<List<Integer>> pairs;

  private final int half;
  private Tensor cosines;
  private Tensor sines;
  private int positions;

  /**
   * @param kept pairs of narrower heads; empty where they are whole
   */
  Rotary(Rope rope, Optional<RotaryPairs> kept) {
    this.rope = rope;
    this.pairs =
        kept.map(RotaryPairs::kept)
            .orElseGet(() -> List.of(IntStream.range(0, rope.dimensions() / 2).boxed().toList()));
    this.half = pairs.getFirst().size();
  }

  /** Turns {@code [batch, heads, tokens, head]}, the first token at position 0. */
  Tensor rotate(Tensor heads) {
    int tokens = (int) heads.size(2);
    prepare(tokens);
    // Query heads stand in the order of the key-value heads that they share.
    long groups = pairs.size();
    var grouped = heads.unflatten(1, groups, heads.size(1) / groups);
    var cosine = cosines.narrow(2, 0, tokens);
    var sine = sines.narrow(2, 0, tokens);
    var first = grouped.narrow(4, 0, half);
    var second = grouped.narrow(4, half, half);
    var turned =
        new TensorVector(
            first.mul(cosine).sub(second.mul(sine)), second.mul(cosine).add(first.mul(sine)));
    long rest = heads.size(3) - 2L * half;
    if (rest > 0) {
      turned.push_back(grouped.narrow(4, 2L * half, rest));
    }
    return torch.cat(turned, 4).flatten(1, 2);
  }

  /** Angles are computed in double: in float32 they lose three digits at position 1000. */
  private void prepare(int tokens) {
    if (tokens <= positions && rope.sameFrequencies(tokens, positions)) {
      return;
    }
    var frequencies = rope.frequencies(tokens);
    var cosine = new float[pairs.size() * tokens * half];
    var sine = new float[cosine.length];
    int at = 0;
    for (var ofHead : pairs) {
      for (int t = 0; t < tokens; t++) {
        for (int pair : ofHead) {
          cosine[at] = (float) (rope.stretch() * Math.cos(t * frequencies[pair]));
          sine[at++] = (float) (rope.stretch() * Math.sin(t * frequencies[pair]));
        }
      }
    }
    close();
    try (var _ = new PointerScope()) {
      cosines = Torch.owned(() -> Torch.ofFloats(cosine, pairs.size(), 1, tokens, half));
      sines = Torch.owned(() -> Torch.ofFloats(sine, pairs.size(), 1, tokens, half));
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
