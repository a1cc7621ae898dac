package ai.lathe.runtime.execution;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A decoder: batches of tokens of one or more sequences to logits. For one thread at a time; the
 * threads that compute are its own.
 */
public final class Decoder implements AutoCloseable {

  /** Tokens that a pass takes unless told otherwise. */
  public static final int BATCH_TOKENS = 512;

  private final Arena arena;
  private final Stack stack;
  private final RowMath math;
  private final Norm norm;
  private final Linear output;
  private final Input input;
  private final Products products;
  private final float cap;
  private final Work work;
  private MemorySegment logits = MemorySegment.NULL;

  private Decoder(
      Checkpoint checkpoint,
      KernelProvider kernels,
      Workers workers,
      int batchTokens,
      KvCache cache,
      Arena arena,
      Progress progress) {
    this.arena = arena;
    var loader = new Loader(checkpoint, kernels, arena);
    stack = new Stack(loader, batchTokens, cache, workers, progress);
    math = kernels.rows();
    // The states of a post-norm model are normed already.
    norm =
        checkpoint.architecture().has(Role.OUTPUT_NORM)
            ? loader.norm(Address.weight(Role.OUTPUT_NORM))
            : null;
    output = loader.linear(Address.weight(Role.OUTPUT));
    work = loader.work();
    input = new Input(workers);
    products = new Products(workers, math, stack.probe);
    cap = (float) stack.config.arithmetic().outputCap().orElse(0);
  }

  /** With {@link KvCache.Settings#DEFAULT}. */
  public static Decoder load(
      Checkpoint checkpoint,
      KernelProvider kernels,
      Workers workers,
      int batchTokens,
      Progress progress) {
    return load(checkpoint, kernels, workers, batchTokens, KvCache.Settings.DEFAULT, progress);
  }

  /**
   * @param checkpoint stays open as long as the decoder, and is not closed with it
   * @param workers likewise
   * @param batchTokens most tokens of a pass
   * @param keysAndValues how those of all sequences are kept
   */
  public static Decoder load(
      Checkpoint checkpoint,
      KernelProvider kernels,
      Workers workers,
      int batchTokens,
      KvCache.Settings keysAndValues,
      Progress progress) {
    if (checkpoint.architecture().kind() != ModelKind.DECODER) {
      throw new LatheException(
          checkpoint.architecture().name() + " is an encoder and predicts no next token");
    }
    var arena = Arena.ofShared();
    var cache = KvCache.of(checkpoint.config(), keysAndValues);
    try {
      return new Decoder(checkpoint, kernels, workers, batchTokens, cache, arena, progress);
    } catch (Throwable e) {
      cache.close();
      arena.close();
      throw e;
    }
  }

  public ModelConfig config() {
    return stack.config;
  }

  /** What a token costs. */
  public Work work() {
    return work;
  }

  /** To see how long which matrices take. */
  public LayerClock clock() {
    return stack.probe.clock;
  }

  /** Most tokens of a batch. */
  public int batchTokens() {
    return stack.buffers.tokens();
  }

  /**
   * A sequence without tokens.
   *
   * @param planned tokens that it is expected to have in the end: models with LongRoPE have other
   *     frequencies for longer sequences, which cannot be changed once keys are kept
   */
  public Sequence newSequence(int planned) {
    return stack.cache.open(planned);
  }

  /**
   * A sequence that begins with as much of a text as the cache holds from earlier ones: {@link
   * Sequence#length} tokens, never all of it. The caller runs the rest.
   */
  public Sequence newSequence(int[] text, int planned) {
    return stack.cache.open(text, planned);
  }

  /** Keys and values of all sequences. */
  public KvCache cache() {
    return stack.cache;
  }

  /**
   * Runs a batch; its sequences are longer by its tokens afterwards. {@link #logits(int, int)} then
   * gives what was wanted.
   *
   * @throws LatheException where tokens are not of the vocabulary or do not fit, with the sequences
   *     as they were; or where a layer gives NaN or infinity, naming it
   */
  public void forward(Batch batch) {
    stack.forward(batch);
    int row = 0;
    for (int i = 0; i < batch.chunks(); i++) {
      var chunk = batch.chunk(i);
      int from =
          switch (chunk.wanted()) {
            case NONE -> chunk.count();
            case LAST -> chunk.count() - 1;
            case ALL -> 0;
          };
      for (int t = from; t < chunk.count(); t++) {
        state(chunk.row() + t, row++);
      }
    }
  }

  /** The output matrix's input for one token, among the wanted ones. */
  private void state(int token, int row) {
    int hidden = stack.config.hidden();
    long from = (long) token * hidden;
    long to = (long) row * hidden;
    if (norm != null) {
      norm.row(math, stack.buffers.hidden, from, stack.buffers.normed, to);
    } else {
      MemorySegment.copy(
          stack.buffers.hidden,
          from * Float.BYTES,
          stack.buffers.normed,
          to * Float.BYTES,
          (long) hidden * Float.BYTES);
    }
  }

  /**
   * What the output matrix reads for the wanted tokens of the last batch, {@code [wanted, hidden]}
   * float32. Valid until the next batch.
   */
  public MemorySegment states() {
    return stack.buffers.normed;
  }

  /**
   * Logits of rows {@code [from, to)} of what the last batch wanted, {@code [to - from,
   * vocabulary]} float32. Valid until the next call.
   */
  public MemorySegment logits(int from, int to) {
    return logits(states(), from, to);
  }

  /** Likewise of rows of states that were kept. */
  public MemorySegment logits(MemorySegment states, int from, int to) {
    int rows = to - from;
    int vocabulary = stack.config.vocabulary();
    long bytes = Math.multiplyExact((long) rows * vocabulary, Float.BYTES);
    if (logits.byteSize() < bytes) {
      logits = Arena.ofAuto().allocate(bytes, 64);
    }
    long width = (long) stack.config.hidden() * Float.BYTES;
    // Of the first rows without a slice, which would be an object a token.
    var wanted = from == 0 ? states : states.asSlice(from * width, rows * width);
    input.set(wanted, rows, stack.config.hidden());
    products.of(input).with(output, logits).run();
    if (cap > 0) {
      math.cap(logits, 0, cap, rows * vocabulary);
    }
    return logits;
  }

  @Override
  public void close() {
    stack.cache.close();
    arena.close();
  }
}
