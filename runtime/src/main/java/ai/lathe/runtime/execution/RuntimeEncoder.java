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
import java.util.ArrayList;
import java.util.List;

/**
 * An encoder. Sequences of a batch may differ in length: their tokens stand one after the other,
 * without padding. For one thread at a time.
 */
public final class RuntimeEncoder implements Encoder {

  /** Tokens of one pass, unless one text has more: few enough that activations stay in caches. */
  public static final int BATCH_TOKENS = 512;

  private final Arena arena;
  private final Stack stack;
  private final Batch batch = new Batch();

  private RuntimeEncoder(
      Checkpoint checkpoint,
      KernelProvider kernels,
      Workers workers,
      KvCache cache,
      Arena arena,
      Progress progress) {
    this.arena = arena;
    var loader = new Loader(checkpoint, kernels, arena);
    stack =
        new Stack(
            loader,
            Math.max(BATCH_TOKENS, checkpoint.config().context()),
            cache,
            workers,
            progress);
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
    var cache = KvCache.ofOneBlock(checkpoint.config());
    try {
      return new RuntimeEncoder(checkpoint, kernels, workers, cache, arena, progress);
    } catch (Throwable e) {
      cache.close();
      arena.close();
      throw e;
    }
  }

  @Override
  public int hiddenSize() {
    return stack.config.hidden();
  }

  @Override
  public int contextLength() {
    return stack.config.context();
  }

  @Override
  public List<Matrix> encode(List<int[]> sequences) {
    var results = new ArrayList<Matrix>();
    int next = 0;
    while (next < sequences.size()) {
      int first = next;
      batch.clear();
      while (next < sequences.size()
          && (next == first || batch.count() + sequences.get(next).length <= BATCH_TOKENS)) {
        var tokens = sequences.get(next++);
        if (tokens.length == 0) {
          throw new LatheException("a sequence to encode has no tokens");
        }
        batch.add(stack.cache.open(tokens.length), tokens, 0, tokens.length, Wanted.ALL);
      }
      try {
        stack.forward(batch);
        for (int i = 0; i < batch.chunks(); i++) {
          results.add(states(batch.chunk(i)));
        }
      } finally {
        for (int i = 0; i < batch.chunks(); i++) {
          batch.chunk(i).sequence().close();
        }
      }
    }
    return List.copyOf(results);
  }

  private Matrix states(Batch.Chunk chunk) {
    var matrix = Matrix.zeros(chunk.count(), hiddenSize());
    long at = (long) chunk.row() * hiddenSize() * Float.BYTES;
    MemorySegment.copy(
        stack.buffers.hidden,
        ValueLayout.JAVA_FLOAT,
        at,
        matrix.values(),
        0,
        matrix.values().length);
    return matrix;
  }

  @Override
  public void close() {
    stack.cache.close();
    arena.close();
  }
}
