package ai.lathe.torch;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.Encoder;
import ai.lathe.model.LanguageModel;
import java.util.ArrayList;
import java.util.function.Function;
import java.util.function.IntFunction;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * Many models that have all in common but the weights of linear layers, which the caller holds. One
 * step runs all sequences through one block, so that models that begin alike share what they have
 * in common. For one thread at a time.
 */
public final class StitchedModel implements AutoCloseable {

  private final Checkpoint checkpoint;
  private final Precision precision;
  private final BlockFrame[] frames;

  /**
   * @param checkpoint stays open as long as this, and is not closed with it
   * @param precision that all weights are held in
   */
  public StitchedModel(Checkpoint checkpoint, Precision precision) {
    this.checkpoint = checkpoint;
    this.precision = precision;
    this.frames = new BlockFrame[checkpoint.config().blocks()];
  }

  /**
   * What the first block reads.
   *
   * @param view the checkpoint, or a view of it with other embeddings
   */
  public States embed(Checkpoint view, TokenBatches batches) {
    try (var embedding = TorchEmbedding.load(view)) {
      return each(batches, batch -> embedding.forward(batches.tokens(batch)));
    }
  }

  /** What a block makes of its input, which stays as it is. */
  public States forward(
      int block, Function<Address, HeldLinear> weights, TokenBatches batches, States input) {
    if (frames[block] == null) {
      frames[block] = new BlockFrame(checkpoint, block);
    }
    var stitched = frames[block].with(weights);
    return each(
        batches,
        batch -> stitched.forward(input.batches().get(batch), batches.padding(batch), null));
  }

  /**
   * A decoder whose blocks these very sequences have run through; closed before the states and the
   * weight are.
   *
   * @param output of its head, {@code [vocabulary, hidden]}
   */
  public LanguageModel languageModel(TokenBatches batches, States states, HeldLinear output) {
    var head = TorchHead.of(checkpoint, precision, output);
    return new StatesModel(checkpoint.config(), head, sequence -> row(batches, states, sequence));
  }

  /** An encoder whose blocks these very sequences have run through. */
  public Encoder encoder(TokenBatches batches, States states) {
    return new StatesEncoder(checkpoint.config(), sequence -> row(batches, states, sequence));
  }

  private static Tensor row(TokenBatches batches, States states, int[] sequence) {
    var place = batches.place(batches.index(sequence));
    return states.batches().get(place.batch()).select(0, place.row()).narrow(0, 0, place.length());
  }

  private static States each(TokenBatches batches, IntFunction<Tensor> run) {
    var states = new ArrayList<Tensor>();
    try (var _ = new NoGradGuard()) {
      for (int i = 0; i < batches.count(); i++) {
        int batch = i;
        states.add(Torch.owned(() -> run.apply(batch)));
      }
      return new States(states);
    } catch (RuntimeException e) {
      states.forEach(Tensor::close);
      throw e;
    }
  }

  @Override
  public void close() {
    for (var frame : frames) {
      if (frame != null) {
        frame.close();
      }
    }
  }
}
