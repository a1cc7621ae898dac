package ai.lathe.torch;

import ai.lathe.model.Checkpoint;
import ai.lathe.model.Encoder;
import ai.lathe.model.LanguageModel;
import ai.lathe.tensor.Progress;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * Runs known sequences through a model block by block, all of them through one block before the
 * next one is read: each weight is decoded once, and no more than one block is in memory. What
 * comes out of the last block answers the interfaces of evaluation, for these very sequences.
 */
public final class Layerwise implements AutoCloseable {

  private final Checkpoint checkpoint;
  private final HiddenStates states;

  /**
   * Runs everything.
   *
   * @param checkpoint stays open as long as this
   * @param states of the sequences, contents yet to come; closed with this
   */
  public Layerwise(Checkpoint checkpoint, HiddenStates states, Progress.Task task) {
    this.checkpoint = checkpoint;
    this.states = states;
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

  /**
   * As a language model of these sequences, an encoder with a head for masked tokens as one whose
   * logits are of the tokens themselves; closed before this is.
   */
  public LanguageModel languageModel() {
    var head = TorchHead.load(checkpoint, Precision.FLOAT32);
    return new StatesModel(checkpoint.config(), head, states::sequence);
  }

  /** As an encoder of these sequences; closed before this is. */
  public Encoder encoder() {
    return new StatesEncoder(checkpoint.config(), states::sequence);
  }

  @Override
  public void close() {
    states.close();
  }
}
