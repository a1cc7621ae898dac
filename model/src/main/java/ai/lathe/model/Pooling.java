package ai.lathe.model;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.tensor.Matrix;
import java.util.Arrays;
import java.util.Map;

/** How the hidden states of a text become one vector. */
public enum Pooling {
  /** The mean over all tokens, special ones too: MiniLM, E5. */
  MEAN(1, "pooling_mode_mean_tokens"),
  /** The first token's: BGE. */
  CLS(2, "pooling_mode_cls_token");

  /** Where sentence-transformers keeps it. */
  private static final String FILE = "1_Pooling/config.json";

  private final int ggufId;
  private final String field;

  Pooling(int ggufId, String field) {
    this.ggufId = ggufId;
    this.field = field;
  }

  /** llama.cpp's number for it. */
  public int ggufId() {
    return ggufId;
  }

  /** The one of that number, where it is any of these. */
  public static Pooling ofGguf(long id, String where) {
    return Arrays.stream(values())
        .filter(pooling -> pooling.ggufId == id)
        .findFirst()
        .orElseThrow(
            () ->
                new FormatException(
                    "%s: pooling type %d is not supported; 1 (mean) and 2 (first token) are"
                        .formatted(where, id)));
  }

  /**
   * As {@code 1_Pooling/config.json} of sentence-transformers says; the mean where it is absent.
   */
  public static Pooling of(Map<String, byte[]> companions) {
    var file = companions.get(FILE);
    if (file == null) {
      return MEAN;
    }
    var json = Json.parse(file, FILE);
    for (var pooling : values()) {
      if (json.path(pooling.field).asBoolean()) {
        return pooling;
      }
    }
    for (var entry : json.properties()) {
      if (entry.getKey().startsWith("pooling_mode") && entry.getValue().asBoolean()) {
        throw new FormatException(
            FILE + ": " + entry.getKey() + " is not supported; the mean and the first token are");
      }
    }
    return MEAN;
  }

  /**
   * The embedding of {@code hidden [tokens, hidden]}, of length 1; NaN where the states are all
   * zero, or not numbers.
   */
  public double[] embed(Matrix hidden) {
    var embedding = new double[hidden.columns()];
    int tokens = this == CLS ? 1 : hidden.rows();
    for (int i = 0; i < tokens; i++) {
      for (int j = 0; j < embedding.length; j++) {
        embedding[j] += hidden.at(i, j);
      }
    }
    double squares = 0;
    for (double x : embedding) {
      squares += x * x;
    }
    double norm = Math.sqrt(squares);
    for (int j = 0; j < embedding.length; j++) {
      embedding[j] /= norm;
    }
    return embedding;
  }
}
