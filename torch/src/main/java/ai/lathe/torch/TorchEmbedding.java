package ai.lathe.torch;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import org.bytedeco.pytorch.Tensor;

/**
 * Tokens to the hidden states that the first block reads: token embedding, learned positions and
 * segment 0 where the model has such, and the norm on their sum where it has one. Rows are decoded
 * as they are needed; no table is held.
 */
public final class TorchEmbedding implements AutoCloseable {

  private final ModelConfig config;
  private final float scale;
  private final LinearWeight tokens;
  private final LinearWeight positions;
  private final float[] segment;
  private final TorchNorm norm;

  private TorchEmbedding(
      ModelConfig config,
      float scale,
      LinearWeight tokens,
      LinearWeight positions,
      float[] segment,
      TorchNorm norm) {
    this.config = config;
    this.scale = scale;
    this.tokens = tokens;
    this.positions = positions;
    this.segment = segment;
    this.norm = norm;
  }

  /** The checkpoint must stay open as long. */
  public static TorchEmbedding load(Checkpoint checkpoint) {
    var architecture = checkpoint.architecture();
    var config = checkpoint.config();
    LinearWeight positions = null;
    if (architecture.has(Role.POSITION_EMBEDDING)) {
      positions = checkpoint.matrix(Address.weight(Role.POSITION_EMBEDDING));
    }
    float[] segment = null;
    if (architecture.has(Role.TOKEN_TYPE_EMBEDDING) && config.tokenTypes() > 0) {
      segment = new float[config.hidden()];
      checkpoint.matrix(Address.weight(Role.TOKEN_TYPE_EMBEDDING)).decodeRows(0, 1, segment, 0);
    }
    TorchNorm norm = null;
    if (architecture.has(Role.EMBEDDING_NORM)) {
      norm = TorchBlock.norm(checkpoint, Address.weight(Role.EMBEDDING_NORM));
    }
    return new TorchEmbedding(
        config,
        architecture.scaledEmbedding() ? (float) Math.sqrt(config.hidden()) : 1,
        checkpoint.matrix(Address.weight(Role.TOKEN_EMBEDDING)),
        positions,
        segment,
        norm);
  }

  /**
   * @param batch sequences of one length, at most the model's context
   * @return {@code [batch, tokens, hidden]} float32 in the caller's scope
   */
  public Tensor forward(int[][] batch) {
    int length = length(batch);
    int hidden = config.hidden();
    var values = new float[Math.multiplyExact(Math.multiplyExact(batch.length, length), hidden)];
    var position = positions == null ? null : new float[hidden];
    for (int t = 0; t < length; t++) {
      if (position != null) {
        // A longer table begins with rows for padding.
        int row = positions.rows() - config.context() + t;
        positions.decodeRows(row, row + 1, position, 0);
      }
      for (int b = 0; b < batch.length; b++) {
        int at = (b * length + t) * hidden;
        tokens.decodeRows(batch[b][t], batch[b][t] + 1, values, at);
        scale(values, at);
        add(position, values, at);
        add(segment, values, at);
      }
    }
    return Torch.scoped(
        () -> {
          var sum = Torch.ofFloats(values, batch.length, length, hidden);
          return norm == null ? sum : norm.forward(sum);
        });
  }

  private void scale(float[] values, int at) {
    for (int i = at; scale != 1 && i < at + config.hidden(); i++) {
      values[i] *= scale;
    }
  }

  private static void add(float[] row, float[] values, int at) {
    if (row != null) {
      for (int i = 0; i < row.length; i++) {
        values[at + i] += row[i];
      }
    }
  }

  private int length(int[][] batch) {
    if (batch.length == 0 || batch[0].length == 0) {
      throw new LatheException("there are no tokens to run the model on");
    }
    int length = batch[0].length;
    if (length > config.context()) {
      throw new LatheException(
          "a sequence has " + length + " tokens; the model takes " + config.context());
    }
    for (var row : batch) {
      if (row.length != length) {
        throw new LatheException(
            "the sequences of a batch have " + length + " and " + row.length + " tokens");
      }
      for (int token : row) {
        if (token < 0 || token >= config.vocabulary()) {
          throw new LatheException(
              "token " + token + " is not in the vocabulary of " + config.vocabulary());
        }
      }
    }
    return length;
  }

  @Override
  public void close() {
    if (norm != null) {
      norm.close();
    }
  }
}
