package ai.lathe.torch.gradient;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.Pooling;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.torch.Precision;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchBlock;
import ai.lathe.torch.TorchEmbedding;
import ai.lathe.torch.TorchHead;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** A whole model in float32, every block held, from tokens to states or logits. */
final class DifferentiableModel implements AutoCloseable {

  private final TorchEmbedding embedding;
  private final List<TorchBlock> blocks = new ArrayList<>();
  private final TorchHead head;
  private final Pooling pooling;

  DifferentiableModel(Checkpoint checkpoint) {
    embedding = TorchEmbedding.load(checkpoint);
    for (int i = 0; i < checkpoint.config().blocks(); i++) {
      blocks.add(TorchBlock.load(checkpoint, i));
    }
    boolean predicts = checkpoint.architecture().has(Role.OUTPUT);
    head = predicts ? TorchHead.load(checkpoint, Precision.FLOAT32) : null;
    boolean decodes = checkpoint.architecture().kind() == ModelKind.DECODER;
    pooling = decodes ? Pooling.MEAN : checkpoint.pooling();
  }

  /** {@code [batch, tokens, hidden]} */
  Tensor states(int[][] tokens, Tensor padding) {
    return Torch.scoped(
        () -> {
          var hidden = embedding.forward(tokens);
          for (var block : blocks) {
            hidden = block.forward(hidden, padding, null);
          }
          return hidden;
        });
  }

  /**
   * @param states {@code [.., hidden]}
   * @return {@code [.., vocabulary]}
   */
  Tensor logits(Tensor states) {
    return head.logits(head.input(states));
  }

  Pooling pooling() {
    return pooling;
  }

  Tensor weight(Address address) {
    return blocks.get(address.block()).weight(address);
  }

  void replace(Address address, LinearWeight weight) {
    blocks.get(address.block()).replace(address.expert(), address.role(), weight);
  }

  @Override
  public void close() {
    embedding.close();
    blocks.forEach(TorchBlock::close);
    if (head != null) {
      head.close();
    }
  }
}
