package ai.lathe.torch;

import ai.lathe.model.Checkpoint;
import ai.lathe.model.LanguageModel;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.tensor.LatheException;
import org.bytedeco.pytorch.NoGradGuard;

/** A decoder of any format, run as its architecture describes it. For one thread at a time. */
public final class TorchModel implements LanguageModel {

  /** Enough for every block of every model. */
  public static final long ALL_BLOCKS = Long.MAX_VALUE;

  private final int vocabulary;
  private final int context;
  private final TorchEmbedding embedding;
  private final BlockCache blocks;
  private final TorchHead head;

  private TorchModel(Checkpoint checkpoint, Precision precision, long blockMemory) {
    vocabulary = checkpoint.config().vocabulary();
    context = checkpoint.config().context();
    embedding = TorchEmbedding.load(checkpoint);
    blocks = new BlockCache(checkpoint, precision, blockMemory);
    head = TorchHead.load(checkpoint, precision);
  }

  /** In float32, every block held from its first use on. */
  public static TorchModel of(Checkpoint checkpoint) {
    return of(checkpoint, Precision.FLOAT32, ALL_BLOCKS);
  }

  /**
   * @param checkpoint stays open as long as the model, and is not closed with it
   * @param blockMemory bytes of decoded block weights to hold; the blocks beyond are read anew at
   *     every use. The results are the same, bit by bit
   */
  public static TorchModel of(Checkpoint checkpoint, Precision precision, long blockMemory) {
    if (checkpoint.architecture().kind() != ModelKind.DECODER) {
      throw new LatheException(
          checkpoint.architecture().name() + " is an encoder and predicts no next token");
    }
    return new TorchModel(checkpoint, precision, blockMemory);
  }

  @Override
  public int vocabularySize() {
    return vocabulary;
  }

  @Override
  public int contextLength() {
    return context;
  }

  @Override
  public Logits forward(int[] tokens) {
    try (var _ = new NoGradGuard()) {
      var normed =
          Torch.owned(
              () ->
                  head.input(blocks.forward(embedding.forward(new int[][] {tokens}), null))
                      .reshape(tokens.length, -1));
      return new HeldLogits(head, normed);
    }
  }

  @Override
  public void close() {
    embedding.close();
    blocks.close();
    head.close();
  }
}
