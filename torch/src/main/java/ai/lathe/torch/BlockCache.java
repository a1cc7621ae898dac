package ai.lathe.torch;

import ai.lathe.model.Checkpoint;
import org.bytedeco.pytorch.Tensor;

/** The blocks of a model, held from their first use on as far as memory is granted. */
final class BlockCache implements AutoCloseable {

  private final Checkpoint checkpoint;
  private final Precision precision;
  private final TorchBlock[] held;
  private final int capacity;

  /**
   * @param memory bytes of decoded weights to hold; blocks beyond are read at every use
   */
  BlockCache(Checkpoint checkpoint, Precision precision, long memory) {
    this.checkpoint = checkpoint;
    this.precision = precision;
    var config = checkpoint.config();
    held = new TorchBlock[config.blocks()];
    int fit = 0;
    for (long left = memory; fit < held.length; fit++) {
      left -= checkpoint.config().weights(checkpoint.architecture(), fit) * precision.bytes();
      if (left < 0) {
        break;
      }
    }
    capacity = fit;
  }

  /** All blocks one after the other; the result is in the caller's scope. */
  Tensor forward(Tensor hidden, Tensor padding) {
    return Torch.scoped(
        () -> {
          var state = hidden;
          for (int i = 0; i < held.length; i++) {
            state = forward(i, state, padding);
          }
          return state;
        });
  }

  private Tensor forward(int index, Tensor hidden, Tensor padding) {
    if (index >= capacity) {
      try (var block = TorchBlock.load(checkpoint, index, precision)) {
        return block.forward(hidden, padding, null);
      }
    }
    if (held[index] == null) {
      held[index] = TorchBlock.load(checkpoint, index, precision);
    }
    return held[index].forward(hidden, padding, null);
  }

  @Override
  public void close() {
    for (var block : held) {
      if (block != null) {
        block.close();
      }
    }
  }
}
