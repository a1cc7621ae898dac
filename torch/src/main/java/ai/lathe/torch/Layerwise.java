package ai.lathe.torch;

import ai.lathe.model.Checkpoint;
import ai.lathe.model.Encoder;
import ai.lathe.model.LanguageModel;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Progress;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * Runs known sequences through a model block by block, all of them through one block before the
 * next one is read: each weight is decoded once, and no more than one block is in memory. What
 * comes out of the last block answers the interfaces of evaluation, for these very sequences.
 */
public final class Layerwise implements AutoCloseable {

  private final Checkpoint checkpoint;
  private final HiddenStates states;
  private final Map<int[], Integer> indices = new IdentityHashMap<>();

  /**
   * Runs everything.
   *
   * @param checkpoint stays open as long as this
   * @param states of {@code sequences}, contents yet to come; closed with this
   */
  public Layerwise(
      Checkpoint checkpoint, List<int[]> sequences, HiddenStates states, Progress.Task task) {
    this.checkpoint = checkpoint;
    this.states = states;
    for (int i = 0; i < sequences.size(); i++) {
      indices.put(sequences.get(i), i);
    }
    try (var _ = new NoGradGuard()) {
      embed(checkpoint, states);
      for (int n = 0; n < checkpoint.config().blocks(); n++) {
        try (var block = TorchBlock.load(checkpoint, n)) {
          advance(block, states, task);
        }
        checkpoint.release(n);
      }
    }
  }

  /** Puts the embedded tokens into all states. */
  public static void embed(Checkpoint checkpoint, HiddenStates states) {
    try (var embedding = TorchEmbedding.load(checkpoint)) {
      for (int batch = 0; batch < states.batches(); batch++) {
        try (var _ = new PointerScope()) {
          states.set(batch, embedding.forward(states.tokens(batch)));
        }
      }
    }
  }

  /** Replaces all states by a block's output; a step of {@code task} a batch. */
  public static void advance(TorchBlock block, HiddenStates states, Progress.Task task) {
    for (int batch = 0; batch < states.batches(); batch++) {
      try (var _ = new PointerScope()) {
        states.set(batch, block.forward(states.get(batch), states.padding(batch), null));
      }
      task.advance(1);
    }
  }

  private Tensor output(int[] sequence) {
    var index = indices.get(sequence);
    if (index == null) {
      throw new IllegalArgumentException("a sequence that the model was not run over");
    }
    return states.sequence(index);
  }

  /** As a language model of these sequences; closed before this is. */
  public LanguageModel languageModel() {
    return new Decoded();
  }

  /** As an encoder of these sequences; closed before this is. */
  public Encoder encoder() {
    return new Encoded();
  }

  @Override
  public void close() {
    states.close();
  }

  private final class Decoded implements LanguageModel {
    private final TorchHead head = TorchHead.load(checkpoint, Precision.FLOAT32);

    @Override
    public int vocabularySize() {
      return checkpoint.config().vocabulary();
    }

    @Override
    public int contextLength() {
      return checkpoint.config().context();
    }

    @Override
    public Logits forward(int[] tokens) {
      try (var _ = new NoGradGuard()) {
        return new HeldLogits(head, Torch.owned(() -> head.norm(output(tokens))));
      }
    }

    @Override
    public void close() {
      head.close();
    }
  }

  private final class Encoded implements Encoder {

    @Override
    public int hiddenSize() {
      return checkpoint.config().hidden();
    }

    @Override
    public int contextLength() {
      return checkpoint.config().context();
    }

    @Override
    public List<Matrix> encode(List<int[]> sequences) {
      return sequences.stream().map(this::encode).toList();
    }

    private Matrix encode(int[] sequence) {
      if (sequence.length == 0) {
        throw new LatheException("a sequence to encode has no tokens");
      }
      try (var _ = new PointerScope()) {
        var matrix = Matrix.zeros(sequence.length, hiddenSize());
        Torch.copy(output(sequence), matrix.values(), 0);
        return matrix;
      }
    }

    @Override
    public void close() {}
  }
}
