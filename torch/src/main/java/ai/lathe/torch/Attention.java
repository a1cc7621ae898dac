package ai.lathe.torch;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture.ModelKind;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Scaled dot-product attention of one block, after the projections and before the output's: heads,
 * norms on them, rotation, masks.
 */
final class Attention implements AutoCloseable {

  private final ModelConfig config;
  private final boolean causal;
  private final TorchNorm queryNorm;
  private final TorchNorm keyNorm;
  private final Rotary rotary;

  /** Norms are null where the architecture has none. */
  Attention(ModelConfig config, ModelKind kind, TorchNorm queryNorm, TorchNorm keyNorm) {
    this.config = config;
    this.causal = kind == ModelKind.DECODER;
    this.queryNorm = queryNorm;
    this.keyNorm = keyNorm;
    this.rotary = config.rope() == null ? null : new Rotary(config.rope());
  }

  /**
   * @param query {@code [batch, tokens, heads * head]}
   * @param key {@code [batch, tokens, key-value heads * head]}
   * @param padding {@code [batch, tokens]} boolean, true for real tokens; or null
   * @return {@code [batch, tokens, heads * head]}
   */
  Tensor forward(Tensor query, Tensor key, Tensor value, Tensor padding) {
    return Torch.scoped(
        () -> {
          long batch = query.size(0);
          long tokens = query.size(1);
          var q = position(heads(query, config.heads()), queryNorm);
          var k = repeat(position(heads(key, config.keyValueHeads()), keyNorm));
          var v = repeat(heads(value, config.keyValueHeads()));
          var mask = mask(tokens, padding);
          var mixed =
              Torch.oneThreadAProduct(
                  () ->
                      torch.scaled_dot_product_attention(
                          q,
                          k,
                          v,
                          mask == null ? new TensorOptional() : new TensorOptional(mask),
                          0.0,
                          causal && mask == null,
                          new DoubleOptional(),
                          false));
          return mixed
              .transpose(1, 2)
              .reshape(batch, tokens, (long) config.heads() * config.headSize());
        });
  }

  /** {@code [batch, heads, tokens, head]} */
  private Tensor heads(Tensor x, int count) {
    return x.view(x.size(0), x.size(1), count, config.headSize()).transpose(1, 2);
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
        .expand(batch, config.keyValueHeads(), group, tokens, config.headSize())
        .reshape(batch, config.heads(), tokens, config.headSize());
  }

  /**
   * Who sees whom, broadcastable to {@code [batch, heads, query, key]}; null where plain causal (or
   * full) attention says it all. A token always sees itself, so that rows of padding stay finite.
   */
  private Tensor mask(long tokens, Tensor padding) {
    boolean windowed = causal && config.slidingWindow().orElse(Integer.MAX_VALUE) < tokens;
    if (padding == null && !windowed) {
      return null;
    }
    var options = new TensorOptions(ScalarType.Long);
    var key = torch.arange(new Scalar((int) tokens), options);
    // How far back a key lies behind its query.
    var distance = key.unsqueeze(1).sub(key);
    Tensor seen = null;
    if (causal) {
      seen = distance.ge(new Scalar(0));
      if (windowed) {
        seen = seen.logical_and(distance.lt(new Scalar(config.slidingWindow().getAsInt())));
      }
    }
    if (padding != null) {
      var real = padding.to(ScalarType.Bool).unsqueeze(1).unsqueeze(1);
      seen = seen == null ? real : seen.logical_and(real);
    }
    return seen.logical_or(distance.eq(new Scalar(0)));
  }

  /** The norms belong to the block. */
  @Override
  public void close() {
    if (rotary != null) {
      rotary.close();
    }
  }
}
