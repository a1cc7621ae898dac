package ai.lathe.eval;

import ai.lathe.model.Encoder;
import ai.lathe.model.Pooling;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** Embeddings of many texts. */
final class Embeddings {

  /** Most tokens of a batch, padding included. */
  private static final int BATCH = 8192;

  private Embeddings() {}

  /**
   * One embedding of length 1 a sequence, in their order.
   *
   * @param name how messages call the encoder
   */
  static double[][] of(
      Encoder encoder, String name, List<int[]> sequences, Pooling pooling, Progress.Task task) {
    check(encoder, name, sequences);
    // Texts of like length share a batch, so that little of it is padding.
    var order =
        IntStream.range(0, sequences.size())
            .boxed()
            .sorted(Comparator.comparingInt(i -> sequences.get(i).length))
            .toList();
    var embeddings = new double[sequences.size()][];
    int from = 0;
    while (from < order.size()) {
      var batch = new ArrayList<int[]>();
      while (from + batch.size() < order.size()) {
        var next = sequences.get(order.get(from + batch.size()));
        if (!batch.isEmpty() && (batch.size() + 1L) * next.length > BATCH) {
          break;
        }
        batch.add(next);
      }
      var hidden = encoder.encode(batch);
      for (int i = 0; i < batch.size(); i++) {
        int sequence = order.get(from + i);
        embeddings[sequence] = pooling.embed(hidden.get(i));
        if (!Double.isFinite(embeddings[sequence][0])) {
          throw new LatheException(
              "the %s's embedding of text %d is not finite".formatted(name, sequence));
        }
      }
      from += batch.size();
      task.advance(batch.size());
    }
    return embeddings;
  }

  /** Of two embeddings of length 1. */
  static double cosine(double[] a, double[] b) {
    double dot = 0;
    for (int i = 0; i < a.length; i++) {
      dot += a[i] * b[i];
    }
    return Math.clamp(dot, -1, 1);
  }

  private static void check(Encoder encoder, String name, List<int[]> sequences) {
    if (sequences.isEmpty()) {
      throw new LatheException("there are no texts to evaluate");
    }
    for (int i = 0; i < sequences.size(); i++) {
      int length = sequences.get(i).length;
      if (length == 0) {
        throw new LatheException("text %d has no tokens".formatted(i));
      }
      if (length > encoder.contextLength()) {
        throw new LatheException(
            "the %s takes at most %d tokens at once; choose a sequence length up to that instead of %d"
                .formatted(name, encoder.contextLength(), length));
      }
    }
  }
}
