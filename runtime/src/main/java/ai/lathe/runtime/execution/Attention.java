package ai.lathe.runtime.execution;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.Heads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Scaled dot-product attention of one block, after the projections and before the output's: norms
 * on heads, rotation, keys and values kept, scores, sums.
 */
final class Attention {

  private final int block;
  private final ModelConfig config;
  private final boolean causal;
  private final Norm queryNorm;
  private final Norm keyNorm;
  private final Rotary rotary;
  private final RowMath math;
  private final int window;

  /** Norms and rotation are null where the architecture has none. */
  Attention(
      int block,
      ModelConfig config,
      ModelKind kind,
      Norm queryNorm,
      Norm keyNorm,
      Rotary rotary,
      RowMath math) {
    this.block = block;
    this.config = config;
    this.causal = kind == ModelKind.DECODER;
    this.queryNorm = queryNorm;
    this.keyNorm = keyNorm;
    this.rotary = rotary;
    this.math = math;
    this.window = config.window(block).orElse(Integer.MAX_VALUE);
  }

  /**
   * @param out {@code [tokens, heads * head]}
   */
  void forward(Batch batch, Heads query, Heads key, Heads value, MemorySegment out) {
    for (int i = 0; i < batch.chunks(); i++) {
      var chunk = batch.chunk(i);
      if (rotary != null) {
        int length = chunk.position() + chunk.count();
        rotary.prepare(Math.max(length, chunk.sequence().planned()));
      }
      for (int t = 0; t < chunk.count(); t++) {
        position(query, queryNorm, chunk.row() + t, chunk.position() + t);
        position(key, keyNorm, chunk.row() + t, chunk.position() + t);
        keep(chunk, t, key, chunk.sequence().keys(block));
        keep(chunk, t, value, chunk.sequence().values(block));
      }
      int total = chunk.position() + chunk.count();
      for (int t = 0; t < chunk.count(); t++) {
        int position = chunk.position() + t;
        int to = causal ? position + 1 : total;
        int from = causal ? Math.max(0, to - window) : 0;
        mix(chunk, chunk.row() + t, from, to, query, out);
      }
    }
  }

  private void position(Heads heads, Norm norm, int row, int position) {
    for (int h = 0; h < heads.count(); h++) {
      long at = heads.at(row, h);
      if (norm != null) {
        norm.row(math, heads.memory(), at, heads.memory(), at);
      }
      if (rotary != null) {
        math.rotate(
            heads.memory(),
            at,
            rotary.cosines(),
            rotary.sines(),
            (long) position * rotary.half(),
            rotary.half());
      }
    }
  }

  private void keep(Batch.Chunk chunk, int t, Heads heads, MemorySegment kept) {
    int size = config.headSize();
    for (int h = 0; h < heads.count(); h++) {
      long to = ((long) (chunk.position() + t) * heads.count() + h) * size;
      MemorySegment.copy(
          heads.memory(),
          heads.at(chunk.row() + t, h) * Float.BYTES,
          kept,
          to * Float.BYTES,
          (long) size * Float.BYTES);
    }
  }

  private void mix(Batch.Chunk chunk, int row, int from, int to, Heads query, MemorySegment out) {
    int size = config.headSize();
    int group = config.heads() / config.keyValueHeads();
    var keys = chunk.sequence().keys(block);
    var values = chunk.sequence().values(block);
    var cap = config.arithmetic().attentionCap();
    var scores = Arena.ofAuto().allocate((long) (to - from) * Float.BYTES, 64);
    for (int h = 0; h < config.heads(); h++) {
      for (int j = from; j < to; j++) {
        long keyAt = ((long) j * config.keyValueHeads() + h / group) * size;
        float product = math.dot(query.memory(), query.at(row, h), keys, keyAt, size);
        scores.setAtIndex(
            JAVA_FLOAT, j - from, (float) (product * config.arithmetic().attentionScale()));
      }
      if (cap.isPresent()) {
        math.cap(scores, 0, (float) cap.getAsDouble(), to - from);
      }
      math.softmax(scores, 0, to - from);
      long outAt = ((long) row * config.heads() + h) * size;
      out.asSlice(outAt * Float.BYTES, (long) size * Float.BYTES).fill((byte) 0);
      for (int j = from; j < to; j++) {
        long valueAt = ((long) j * config.keyValueHeads() + h / group) * size;
        float weight = scores.getAtIndex(JAVA_FLOAT, j - from);
        math.addScaled(out, outAt, weight, values, valueAt, size);
      }
    }
  }
}
