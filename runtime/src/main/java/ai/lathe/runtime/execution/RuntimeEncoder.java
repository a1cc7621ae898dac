package ai.lathe.runtime.execution;

import ai.lathe.model.Checkpoint;
import ai.lathe.model.Encoder;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Progress;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * An encoder. Sequences of a batch may differ in length: their tokens stand one after the other,
 * without padding. Where there are texts for every thread, each runs its own from end to end, which
 * never waits for another and keeps its activations in its own cache; a few long ones are shared
 * out layer by layer. For one thread at a time.
 */
public final class RuntimeEncoder implements Encoder {

  /** Tokens of a thread's own pass, few enough that its activations stay in the second cache. */
  private static final int OWN_TOKENS = 256;

  /** Tokens of a pass that threads share, unless one text has more. */
  private static final int SHARED_TOKENS = 512;

  private final Arena arena;
  private final Workers workers;
  private final Pass shared;
  private final ConcurrentLinkedQueue<Pass> own = new ConcurrentLinkedQueue<>();

  private RuntimeEncoder(
      Checkpoint checkpoint,
      KernelProvider kernels,
      Workers workers,
      Arena arena,
      Progress progress) {
    this.arena = arena;
    this.workers = workers;
    var loader = new Loader(checkpoint, kernels, arena);
    int context = checkpoint.config().context();
    shared = new Pass(loader, Math.max(SHARED_TOKENS, context), workers, progress);
    for (int i = 0; workers.count() > 1 && i < workers.count(); i++) {
      own.add(new Pass(loader, OWN_TOKENS, new Workers(1), Progress.NONE));
    }
  }

  /**
   * @param checkpoint stays open as long as the encoder, and is not closed with it
   * @param workers likewise
   */
  public static RuntimeEncoder load(
      Checkpoint checkpoint, KernelProvider kernels, Workers workers, Progress progress) {
    if (checkpoint.architecture().kind() != ModelKind.ENCODER) {
      throw new LatheException(checkpoint.architecture().name() + " is a decoder, not an encoder");
    }
    var arena = Arena.ofShared();
    try {
      return new RuntimeEncoder(checkpoint, kernels, workers, arena, progress);
    } catch (Throwable e) {
      arena.close();
      throw e;
    }
  }

  @Override
  public int hiddenSize() {
    return shared.stack.config.hidden();
  }

  @Override
  public int contextLength() {
    return shared.stack.config.context();
  }

  @Override
  public List<Matrix> encode(List<int[]> sequences) {
    int tokens = 0;
    int longest = 0;
    for (var sequence : sequences) {
      if (sequence.length == 0) {
        throw new LatheException("a sequence to encode has no tokens");
      }
      tokens += sequence.length;
      longest = Math.max(longest, sequence.length);
    }
    var results = new Matrix[sequences.size()];
    int even = Math.ceilDiv(tokens, workers.count());
    var groups = groups(sequences, Math.clamp(even, longest, Math.max(longest, OWN_TOKENS)));
    if (workers.count() > 1 && longest <= OWN_TOKENS && groups.length > workers.count()) {
      workers.run(
          (part, _) -> {
            var pass = own.remove();
            try {
              pass.run(sequences, groups[part], groups[part + 1], results);
            } finally {
              own.add(pass);
            }
          },
          groups.length - 1);
    } else {
      var parts = groups(sequences, SHARED_TOKENS);
      for (int i = 0; i + 1 < parts.length; i++) {
        shared.run(sequences, parts[i], parts[i + 1], results);
      }
    }
    return List.of(results);
  }

  /** Where groups of sequences of up to so many tokens begin, and the last one's end. */
  private static int[] groups(List<int[]> sequences, int most) {
    var starts = new int[sequences.size() + 1];
    int count = 0;
    int tokens = 0;
    for (int i = 0; i < sequences.size(); i++) {
      int length = sequences.get(i).length;
      if (i == 0 || tokens + length > most) {
        starts[count++] = i;
        tokens = 0;
      }
      tokens += length;
    }
    starts[count] = sequences.size();
    return Arrays.copyOf(starts, count + 1);
  }

  /** One thread's memory, or all threads' together; the weights are everyone's. */
  private static final class Pass implements AutoCloseable {
    private final Stack stack;
    private final Batch batch = new Batch();

    Pass(Loader loader, int tokens, Workers workers, Progress progress) {
      var cache = KvCache.ofNone(loader.checkpoint().config());
      try {
        stack = new Stack(loader, tokens, cache, workers, progress);
      } catch (Throwable e) {
        cache.close();
        throw e;
      }
    }

    /** Sequences {@code [from, to)}. */
    void run(List<int[]> sequences, int from, int to, Matrix[] results) {
      batch.clear();
      for (int i = from; i < to; i++) {
        var tokens = sequences.get(i);
        batch.add(stack.cache.open(tokens.length), tokens, 0, tokens.length, Wanted.ALL);
      }
      try {
        stack.forward(batch);
        for (int i = from; i < to; i++) {
          results[i] = states(batch.chunk(i - from));
        }
      } finally {
        for (int i = 0; i < batch.chunks(); i++) {
          batch.chunk(i).sequence().close();
        }
      }
    }

    private Matrix states(Batch.Chunk chunk) {
      int hidden = stack.config.hidden();
      var matrix = Matrix.zeros(chunk.count(), hidden);
      long at = (long) chunk.row() * hidden * Float.BYTES;
      int count = matrix.values().length;
      MemorySegment.copy(
          stack.buffers.hidden, ValueLayout.JAVA_FLOAT, at, matrix.values(), 0, count);
      return matrix;
    }

    @Override
    public void close() {
      stack.cache.close();
    }
  }

  @Override
  public void close() {
    shared.close();
    own.forEach(Pass::close);
    arena.close();
  }
}
