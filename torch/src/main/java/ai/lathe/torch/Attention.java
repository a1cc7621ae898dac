package ai.lathe.torch;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.architecture.Architecture.ModelKind;
import java.util.Optional;
import java.util.OptionalInt;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Scaled dot-product attention of one block, after the projections and before the output's: heads,
 * norms on them, rotation, masks, caps.
 */
final class Attention implements AutoCloseable {

  private final ModelConfig config;
  private final long keySize;
  private final long valueSize;
  private final boolean causal;
  private final OptionalInt window;
  private final TorchNorm queryNorm;
  private final TorchNorm keyNorm;
  private final Rotary rotary;

  /**
   * Norms are null where the architecture has none.
   *
   * @param pairs that narrower query and key heads keep
   */
  Attention(
      ModelConfig config,
      int block,
      ModelKind kind,
      TorchNorm queryNorm,
      TorchNorm keyNorm,
      Optional<RotaryPairs> pairs) {
    this.config = config;
    this.keySize = config.widths(block).keySize();
    this.valueSize = config.widths(block).valueSize();
    this.causal = kind == ModelKind.DECODER;
    this.window = config.window(block);
    this.queryNorm = queryNorm;
    this.keyNorm = keyNorm;
    var rope = config.rope(block);
    this.rotary = rope == null ? null : new Rotary(rope, pairs);
  }

  /**
   * @param fused {@code [batch, tokens, (heads + 2 key-value heads) * head]}: all queries, all
   *     keys, all values
   * @param byHead or the three for each head in turn
   * @param padding as below
   */
  Tensor forward(Tensor fused, boolean byHead, Tensor padding) {
    return Torch.scoped(
        () -> {
          if (byHead) {
            long all = 2 * keySize + valueSize;
            var heads = fused.view(fused.size(0), fused.size(1), config.heads(), all);
            return forward(
                heads.narrow(3, 0, keySize).flatten(2, 3),
                heads.narrow(3, keySize, keySize).flatten(2, 3),
                heads.narrow(3, 2 * keySize, valueSize).flatten(2, 3),
                padding);
          }
          long query = config.heads() * keySize;
          long key = config.keyValueHeads() * keySize;
          long value = config.keyValueHeads() * valueSize;
          return forward(
              fused.narrow(2, 0, query),
              fused.narrow(2, query, key),
              fused.narrow(2, query + key, value),
              padding);
        });
  }

  /**
   * @param query {@code [batch, tokens, heads * key size]}
   * @param key {@code [batch, tokens, key-value heads * key size]}
   * @param value {@code [batch, tokens, key-value heads * value size]}
   * @param padding {@code [batch, tokens]} boolean, true for real tokens; or null
   * @return {@code [batch, tokens, heads * value size]}
   */
  Tensor forward(Tensor query, Tensor key, Tensor value, Tensor padding) {
    return Torch.scoped(
        () -> {
          long batch = query.size(0);
          long tokens = query.size(1);
          var q = position(heads(query, config.heads(), keySize), queryNorm);
          var k = repeat(position(heads(key, config.keyValueHeads(), keySize), keyNorm));
          var v = repeat(heads(value, config.keyValueHeads(), valueSize));
          var mask = mask(tokens, padding);
          var mixed = mix(q, k, v, mask);
          return mixed.transpose(1, 2).reshape(batch, tokens, config.heads() * valueSize);
        });
  }

  /** Sums of values, weighted by the softmax of scores; the mask may be null. */
  private Tensor mix(Tensor query, Tensor key, Tensor value, Tensor mask) {
    double scale = config.arithmetic().attentionScale();
    var cap = config.arithmetic().attentionCap();
    if (cap.isPresent()) {
      var scores = torch.matmul(query, key.transpose(2, 3));
      var capped =
          scores
              .mul(new Scalar(scale / cap.getAsDouble()))
              .tanh()
              .mul(new Scalar(cap.getAsDouble()));
      var seen = mask == null && causal ? causal(query.size(2)) : mask;
      var masked =
          seen == null
              ? capped
              : capped.masked_fill(seen.logical_not(), new Scalar(Double.NEGATIVE_INFINITY));
      return torch.matmul(torch.softmax(masked, -1), value);
    }
    return Torch.oneThreadAProduct(
        () ->
            torch.scaled_dot_product_attention(
                query,
                key,
                value,
                mask == null ? new TensorOptional() : new TensorOptional(mask),
                0.0,
                causal && mask == null,
                new DoubleOptional(scale),
                false));
  }

  /** {@code [batch, heads, tokens, head]} */
  private static Tensor heads(Tensor x, int count, long size) {
    return x.reshape(x.size(0), x.size(1), count, size).transpose(1, 2);
  }

  private Tensor position(Tensor heads, TorchNorm norm) {
    var normed = norm == null ? heads : norm.forward(heads);
    return rotary == null ? normed : rotary.rotate(normed);
  }

  /** Each key-value head for every query head of its group. */
  private Tensor repeat(Tensor heads) {
    int group = config.heads() / config.keyValueHeads();
    if (group == 1) {
      return heads;
    }
    long batch = heads.size(0);
    long tokens = heads.size(2);
    return heads
        .unsqueeze(2)
        .expand(batch, config.keyValueHeads(), group, tokens, heads.size(3))
        .reshape(batch, config.heads(), tokens, heads.size(3));
  }

  /**
   * Who sees whom, broadcastable to {@code [batch, heads, query, key]}; null where plain causal (or
   * full) attention says it all. A token always sees itself, so that rows of padding stay finite.
   */
  private Tensor mask(long tokens, Tensor padding) {
    boolean windowed = causal && window.orElse(Integer.MAX_VALUE) < tokens;
    if (padding == null && !windowed) {
      return null;
    }
    var distance = distance(tokens);
    Tensor seen = null;
    if (causal) {
      seen = distance.ge(new Scalar(0));
      if (windowed) {
        seen = seen.logical_and(distance.lt(new Scalar(window.getAsInt())));
      }
    }
    if (padding != null) {
      var real = padding.to(ScalarType.Bool).unsqueeze(1).unsqueeze(1);
      seen = seen == null ? real : seen.logical_and(real);
    }
    return seen.logical_or(distance.eq(new Scalar(0)));
  }

  private static Tensor causal(long tokens) {
    return distance(tokens).ge(new Scalar(0));
  }

  /** How far back a key lies behind its query, {@code [query, key]}. */
  private static Tensor distance(long tokens) {
    var key = torch.arange(new Scalar((int) tokens), new TensorOptions(ScalarType.Long));
    return key.unsqueeze(1).sub(key);
  }

  /** The norms belong to the block. */
  @Override
  public void close() {
    if (rotary != null) {
      rotary.close();
    }
  }
}
