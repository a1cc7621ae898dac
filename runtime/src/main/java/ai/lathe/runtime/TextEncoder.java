package ai.lathe.runtime;

import ai.lathe.model.Checkpoint;
import ai.lathe.model.Pooling;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.RuntimeEncoder;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Texts to embeddings: an encoder with its tokenizer and its pooling. May be used by several
 * threads, whose calls wait for each other; closing waits for the call that runs.
 */
public final class TextEncoder implements AutoCloseable {

  /** What becomes of a text of more tokens than the model takes. */
  public enum TooLong {
    /** An error that says so. */
    REFUSE,
    /** Its end is cut off; the tokenizer's last token stays. */
    TRUNCATE
  }

  private final ReentrantLock lock = new ReentrantLock();
  private final Checkpoint checkpoint;
  private final Tokenizer tokenizer;
  private final Pooling pooling;
  private final Workers workers;
  private final RuntimeEncoder encoder;
  private boolean closed;

  private TextEncoder(
      Checkpoint checkpoint, Tokenizer tokenizer, Workers workers, RuntimeEncoder encoder) {
    this.checkpoint = checkpoint;
    this.tokenizer = tokenizer;
    this.pooling = checkpoint.pooling();
    this.workers = workers;
    this.encoder = encoder;
  }

  /** Opens a model as {@link Checkpoints#open(String)} does, on all processors. */
  public static TextEncoder open(String model) {
    return open(model, RuntimeOptions.DEFAULT, Progress.NONE);
  }

  public static TextEncoder open(String model, RuntimeOptions options, Progress progress) {
    var checkpoint = Checkpoints.open(model, progress);
    Workers workers = null;
    try {
      KernelProvider kernels = options.provider();
      var tokenizer =
          checkpoint.tokenizer().orElseThrow(() -> new LatheException(model + " has no tokenizer"));
      workers = new Workers(options.threads());
      var encoder = RuntimeEncoder.load(checkpoint, kernels, workers, progress);
      return new TextEncoder(checkpoint, tokenizer, workers, encoder);
    } catch (Throwable e) {
      if (workers != null) {
        workers.close();
      }
      checkpoint.close();
      throw e;
    }
  }

  /** Features of an embedding. */
  public int dimensions() {
    return encoder.hiddenSize();
  }

  /** Most tokens of a text, special ones included. */
  public int contextLength() {
    return encoder.contextLength();
  }

  /** The embedding of a text, of length 1. */
  public float[] embed(String text) {
    return embed(List.of(text), TooLong.REFUSE).getFirst();
  }

  /**
   * One embedding of length 1 a text, in their order. Prefixes that a model wants, such as E5's
   * {@code query: }, are the caller's to put.
   *
   * @throws LatheException where a text has no tokens or too many, or the encoder is closed
   */
  public List<float[]> embed(List<String> texts, TooLong tooLong) {
    lock.lock();
    try {
      if (closed) {
        throw new ClosedModelException();
      }
      var sequences = new ArrayList<int[]>();
      for (int i = 0; i < texts.size(); i++) {
        sequences.add(tokens(texts.get(i), i, tooLong));
      }
      var states = encoder.encode(sequences);
      var embeddings = new ArrayList<float[]>();
      for (int i = 0; i < states.size(); i++) {
        embeddings.add(narrow(pooling.embed(states.get(i)), i));
      }
      return embeddings;
    } finally {
      lock.unlock();
    }
  }

  private int[] tokens(String text, int index, TooLong tooLong) {
    var tokens = tokenizer.encode(text);
    if (tokens.length == 0) {
      throw new LatheException("text " + index + " has no tokens");
    }
    int most = contextLength();
    if (tokens.length <= most) {
      return tokens;
    }
    if (tooLong == TooLong.REFUSE) {
      throw new LatheException(
          "text %d has %d tokens; the model takes %d".formatted(index, tokens.length, most));
    }
    var cut = Arrays.copyOf(tokens, most);
    cut[most - 1] = tokens[tokens.length - 1];
    return cut;
  }

  private static float[] narrow(double[] embedding, int index) {
    var narrow = new float[embedding.length];
    for (int i = 0; i < narrow.length; i++) {
      if (!Double.isFinite(embedding[i])) {
        throw new LatheException("the embedding of text " + index + " is not finite");
      }
      narrow[i] = (float) embedding[i];
    }
    return narrow;
  }

  @Override
  public void close() {
    lock.lock();
    try {
      if (!closed) {
        closed = true;
        encoder.close();
        workers.close();
        checkpoint.close();
      }
    } finally {
      lock.unlock();
    }
  }
}
