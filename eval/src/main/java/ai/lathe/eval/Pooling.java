package ai.lathe.eval;

import ai.lathe.tensor.Matrix;

/** How the hidden states of a text become one vector. */
public enum Pooling {
  /** The mean over all tokens, special ones too: MiniLM, E5. */
  MEAN,
  /** The first token's: BGE. */
  CLS;

  /** The embedding of {@code hidden [tokens, hidden]}, of length 1. */
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

  /** Of two embeddings of length 1. */
  static double cosine(double[] a, double[] b) {
    double dot = 0;
    for (int i = 0; i < a.length; i++) {
      dot += a[i] * b[i];
    }
    return Math.clamp(dot, -1, 1);
  }
}
