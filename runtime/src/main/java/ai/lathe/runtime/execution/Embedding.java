package ai.lathe.runtime.execution;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Role;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.tensor.LinearWeight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Tokens to the hidden states that the first block reads: token embedding, learned positions and
 * segment 0 where the model has such, and the norm on their sum where it has one. Rows are decoded
 * as they are needed; no table is held.
 */
final class Embedding {

  private final ModelConfig config;
  private final float scale;
  private final LinearWeight.RowDecoder tokens;
  private final LinearWeight.RowDecoder positions;
  private final int firstPosition;
  private final float[] segment;
  private final Norm norm;
  private final RowMath math;
  private final float[] row;
  private final float[] position;

  /** The checkpoint must stay open as long. */
  Embedding(Loader loader) {
    Checkpoint checkpoint = loader.checkpoint();
    var architecture = checkpoint.architecture();
    config = checkpoint.config();
    math = loader.kernels().rows();
    scale = architecture.scaledEmbedding() ? (float) Math.sqrt(config.hidden()) : 1;
    tokens = checkpoint.matrix(Address.weight(Role.TOKEN_EMBEDDING)).rowDecoder();
    if (architecture.has(Role.POSITION_EMBEDDING)) {
      var table = checkpoint.matrix(Address.weight(Role.POSITION_EMBEDDING));
      positions = table.rowDecoder();
      // A longer table begins with rows for padding.
      firstPosition = table.rows() - config.context();
    } else {
      positions = null;
      firstPosition = 0;
    }
    row = new float[config.hidden()];
    position = new float[positions == null ? 0 : config.hidden()];
    boolean segments = architecture.has(Role.TOKEN_TYPE_EMBEDDING) && config.tokenTypes() > 0;
    segment = new float[segments ? config.hidden() : 0];
    if (segments) {
      checkpoint.matrix(Address.weight(Role.TOKEN_TYPE_EMBEDDING)).decodeRows(0, 1, segment, 0);
    }
    norm =
        architecture.has(Role.EMBEDDING_NORM)
            ? loader.norm(Address.weight(Role.EMBEDDING_NORM))
            : null;
  }

  /**
   * @param hidden {@code [tokens, hidden]} float32
   */
  void forward(Batch batch, MemorySegment hidden) {
    for (int t = 0; t < batch.count(); t++) {
      tokens.decode(batch.token(t), batch.token(t) + 1, row, 0);
      for (int i = 0; scale != 1 && i < row.length; i++) {
        row[i] *= scale;
      }
      if (positions != null) {
        int at = firstPosition + batch.position(t);
        positions.decode(at, at + 1, position, 0);
        add(position);
      }
      add(segment);
      long to = (long) t * row.length;
      MemorySegment.copy(row, 0, hidden, ValueLayout.JAVA_FLOAT, to * Float.BYTES, row.length);
      if (norm != null) {
        norm.row(math, hidden, to, hidden, to);
      }
    }
  }

  private void add(float[] other) {
    for (int i = 0; i < other.length; i++) {
      row[i] += other[i];
    }
  }
}
