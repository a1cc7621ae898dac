package ai.lathe.torch;

import ai.lathe.model.ModelConfig;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/**
 * Turns queries or keys by their positions, as a block's attention does before it compares them.
 */
public final class HeadPositions implements AutoCloseable {

  private final Rotary rotary;

  public HeadPositions(ModelConfig config, int block) {
    var rope = config.rope(block);
    rotary = rope == null ? null : new Rotary(rope, Optional.empty());
  }

  /**
   * @param heads {@code [batch, tokens, count * headSize]}, the first token at position 0
   * @return the same shape; {@code heads} itself where positions are learned
   */
  public Tensor turned(Tensor heads, int headSize) {
    if (rotary == null) {
      return heads;
    }
    return Torch.scoped(
        () -> {
          var apart = heads.reshape(heads.size(0), heads.size(1), -1, headSize).transpose(1, 2);
          return rotary.rotate(apart).transpose(1, 2).reshape(heads.sizes());
        });
  }

  @Override
  public void close() {
    if (rotary != null) {
      rotary.close();
    }
  }
}
