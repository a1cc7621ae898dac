package ai.lathe.runtime.execution;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.Heads;
import java.lang.foreign.MemorySegment;

/**
 * Scaled dot-product attention of one block, after the projections and before the output's: norms
 * on heads, rotation, keys and values kept, scores, sums.
 */
final class Attention {

  private final int block;
  private final AttentionShape shape;
  private final Norm queryNorm;
  private final Norm keyNorm;
  private final Rotary rotary;

  /** That heads keep, {@code [key-value heads][pairs]}; null where they have all. */
  private final int[][] pairs;

  private final RowMath math;
  private final AttentionWork work;
  private final AttentionKernel[] kernels;

  /**
   * Norms and rotation are null where the architecture has none.
   *
   * @param pairs {@code [key-value heads][pairs]} of the rotation that narrower heads keep; null
   *     where they are whole
   */
  Attention(
      int block,
      ModelConfig config,
      ModelKind kind,
      Norm queryNorm,
      Norm keyNorm,
      Rotary rotary,
      int[][] pairs,
      RowMath math,
      AttentionWork work) {
    this.block = block;
    this.shape = AttentionShape.of(config, block, kind);
    this.queryNorm = queryNorm;
    this.keyNorm = keyNorm;
    this.rotary = rotary;
    this.pairs = pairs;
    this.math = math;
    this.work = work;
    this.kernels = work.kernels(shape, block);
  }

  int block() {
    return block;
  }

  AttentionShape shape() {
    return shape;
  }

  AttentionKernel[] kernels() {
    return kernels;
  }

  /**
   * @param out {@code [tokens, heads * value size]}
   */
  void forward(Batch batch, Heads query, Heads key, Heads value, MemorySegment out) {
    work.run(this, batch, query, key, value, out);
  }

  /** Makes sure that the tables of turns reach as far as the batch does. For the owning thread. */
  void prepare(Batch batch) {
    for (int i = 0; rotary != null && i < batch.chunks(); i++) {
      turns(batch.chunk(i));
    }
  }

  private Rotary.Turns turns(Batch.Chunk chunk) {
    return rotary.turns(chunk.sequence().planned(), chunk.position() + chunk.count());
  }

  /** Whether {@link #turn} does anything. */
  boolean turns() {
    return queryNorm != null || keyNorm != null || rotary != null;
  }

  /**
   * Norm and rotation of one key-value head, and the query heads that read it, of some tokens.
   *
   * @param turns the calling thread's
   */
  void turn(
      Batch.Chunk chunk, int from, int to, Heads query, Heads key, int head, Rotary.Row turns) {
    var all = rotary == null ? null : turns(chunk);
    int group = shape.group();
    for (int t = from; t < to; t++) {
      int row = chunk.row() + t;
      int position = chunk.position() + t;
      if (pairs != null) {
        turns.of(all, position, pairs[head]);
      } else if (all != null) {
        turns.of(all, position);
      }
      for (int h = head * group; h < (head + 1) * group; h++) {
        turn(query, queryNorm, turns, row, h);
      }
      turn(key, keyNorm, turns, row, head);
    }
  }

  private void turn(Heads heads, Norm norm, Rotary.Row turns, int row, int head) {
    long at = heads.at(row, head);
    if (norm != null) {
      norm.row(math, heads.memory(), at, heads.memory(), at);
    }
    if (rotary != null) {
      turns.turn(math, heads.memory(), at);
    }
  }
}
