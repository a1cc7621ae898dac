package ai.lathe.torch;

import ai.lathe.model.Checkpoint;
import ai.lathe.model.Encoder;
import ai.lathe.model.LanguageModel;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;

/** An encoder of any format, run as its architecture describes it. For one thread at a time. */
public final class TorchEncoder implements Encoder {

  /** Tokens of one batch, padding included; bounds the activations. */
  private static final int BATCH_TOKENS = 4096;

  private final Checkpoint checkpoint;
  private final int hidden;
  private final int context;
  private final TorchEmbedding embedding;
  private final BlockCache blocks;
  private final Precision precision;
  private TorchHead head;

  private TorchEncoder(Checkpoint checkpoint, Precision precision, long blockMemory) {
    this.checkpoint = checkpoint;
    this.precision = precision;
    hidden = checkpoint.config().hidden();
    context = checkpoint.config().context();
    embedding = TorchEmbedding.load(checkpoint);
    blocks = new BlockCache(checkpoint, precision, blockMemory);
  }

  /** In float32, every block held from its first use on. */
  public static TorchEncoder of(Checkpoint checkpoint) {
    return of(checkpoint, Precision.FLOAT32, TorchModel.ALL_BLOCKS);
  }

  /**
   * @param checkpoint stays open as long as the encoder, and is not closed with it
   * @param blockMemory bytes of decoded block weights to hold
   */
  public static TorchEncoder of(Checkpoint checkpoint, Precision precision, long blockMemory) {
    if (checkpoint.architecture().kind() != ModelKind.ENCODER) {
      throw new LatheException(checkpoint.architecture().name() + " is a decoder, not an encoder");
    }
    return new TorchEncoder(checkpoint, precision, blockMemory);
  }

  @Override
  public int hiddenSize() {
    return hidden;
  }

  @Override
  public int contextLength() {
    return context;
  }

  /** Sequences of similar length run together, so that little is padding. */
  @Override
  public List<Matrix> encode(List<int[]> sequences) {
    var order =
        IntStream.range(0, sequences.size())
            .boxed()
            .sorted(Comparator.comparingInt(i -> sequences.get(i).length))
            .mapToInt(Integer::intValue)
            .toArray();
    var results = new Matrix[sequences.size()];
    for (int from = 0; from < order.length; ) {
      int to = from + 1;
      while (to < order.length
          && (long) (to + 1 - from) * sequences.get(order[to]).length <= BATCH_TOKENS) {
        to++;
      }
      encode(sequences, Arrays.copyOfRange(order, from, to), results);
      from = to;
    }
    return List.of(results);
  }

  private void encode(List<int[]> sequences, int[] batch, Matrix[] results) {
    int shortest = sequences.get(batch[0]).length;
    int longest = sequences.get(batch[batch.length - 1]).length;
    if (shortest == 0) {
      throw new LatheException("a sequence to encode has no tokens");
    }
    var tokens = new int[batch.length][];
    var real = new float[batch.length * longest];
    for (int i = 0; i < batch.length; i++) {
      var sequence = sequences.get(batch[i]);
      tokens[i] = Arrays.copyOf(sequence, longest);
      Arrays.fill(real, i * longest, i * longest + sequence.length, 1);
    }
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var padding = shortest == longest ? null : Torch.ofFloats(real, batch.length, longest);
      var states = blocks.forward(embedding.forward(tokens), padding);
      for (int i = 0; i < batch.length; i++) {
        var matrix = Matrix.zeros(sequences.get(batch[i]).length, hidden);
        Torch.copy(states.select(0, i).narrow(0, 0, matrix.rows()), matrix.values(), 0);
        results[batch[i]] = matrix;
      }
    }
  }

  /**
   * What the model's head says of each token of a sequence, the masked ones above all. The result
   * is valid until it or this is closed.
   *
   * @throws LatheException for a model without such a head
   */
  public LanguageModel.Logits logits(int[] tokens) {
    if (head == null) {
      if (!checkpoint.architecture().has(Role.OUTPUT)) {
        throw new LatheException("this encoder has no head that predicts masked tokens");
      }
      head = TorchHead.load(checkpoint, precision);
    }
    try (var _ = new NoGradGuard()) {
      var input =
          Torch.owned(
              () ->
                  head.input(blocks.forward(embedding.forward(new int[][] {tokens}), null))
                      .reshape(tokens.length, -1));
      return new HeldLogits(head, input);
    }
  }

  @Override
  public void close() {
    if (head != null) {
      head.close();
    }
    embedding.close();
    blocks.close();
  }
}
