package ai.lathe.eval;

import ai.lathe.model.Encoder;
import ai.lathe.model.Pooling;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;

/** How near an encoder's sentence embeddings are to a reference's, on the same texts. */
public final class EmbeddingFidelity {

  /**
   * What was measured.
   *
   * @param cosine mean cosine between the two embeddings of a text
   * @param cosineMin the worst text's
   * @param texts number of texts
   * @param tokens tokens in all of them
   */
  public record Result(
      @JsonProperty("cosine") double cosine,
      @JsonProperty("cosine_error") double cosineError,
      @JsonProperty("cosine_min") double cosineMin,
      @JsonProperty("texts") int texts,
      @JsonProperty("tokens") long tokens) {}

  private EmbeddingFidelity() {}

  /**
   * Encodes every sequence with both.
   *
   * @param sequences with the special tokens, see {@link ai.lathe.eval.data.Sentences}
   */
  public static Result measure(
      Encoder model, Encoder reference, List<int[]> sequences, Pooling pooling, Progress progress) {
    if (model.hiddenSize() != reference.hiddenSize()) {
      throw new LatheException(
          "the model's embeddings have %d features and the reference's %d; they cannot be compared"
              .formatted(model.hiddenSize(), reference.hiddenSize()));
    }
    try (var task = progress.start("embeddings", 2L * sequences.size())) {
      var expected = Embeddings.of(reference, "reference", sequences, pooling, task);
      var given = Embeddings.of(model, "model", sequences, pooling, task);
      var cosine = new Mean();
      double min = 1;
      long tokens = 0;
      for (int i = 0; i < expected.length; i++) {
        double value = Embeddings.cosine(expected[i], given[i]);
        cosine.add(value);
        min = Math.min(min, value);
        tokens += sequences.get(i).length;
      }
      return new Result(cosine.mean(), cosine.standardError(), min, expected.length, tokens);
    }
  }
}
