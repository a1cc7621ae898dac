package ai.lathe.compress.search;

import ai.lathe.eval.Divergence;
import ai.lathe.eval.EmbeddingFidelity;
import ai.lathe.eval.Perplexity;
import ai.lathe.model.Encoder;
import ai.lathe.model.LanguageModel;
import ai.lathe.model.Pooling;
import ai.lathe.tensor.Progress;
import java.util.List;

/**
 * Compares candidates with the original over one chunk of text.
 *
 * @param <M> a language model or an encoder of that text
 */
interface Judge<M> extends AutoCloseable {

  double loss(M candidate);

  @Override
  default void close() {}

  /**
   * @param reference closed with this; read again for every candidate
   */
  static Judge<LanguageModel> divergence(
      Objective objective, LanguageModel reference, List<int[]> sequences) {
    return new Judge<>() {
      @Override
      public double loss(LanguageModel candidate) {
        var result = Divergence.measure(candidate, reference, sequences, Progress.NONE);
        return objective == Objective.ACCEPTANCE ? 1 - result.ear() : result.kl().mean();
      }

      @Override
      public void close() {
        reference.close();
      }
    };
  }

  /**
   * @param reference read here alone
   */
  static Judge<LanguageModel> perplexity(LanguageModel reference, List<int[]> sequences) {
    double original = logarithm(reference, sequences);
    return candidate -> logarithm(candidate, sequences) - original;
  }

  private static double logarithm(LanguageModel model, List<int[]> sequences) {
    return Math.log(Perplexity.measure(model, sequences, Progress.NONE).perplexity());
  }

  /**
   * @param reference read here alone
   */
  static Judge<LanguageModel> topK(LanguageModel reference, List<int[]> sequences, int likeliest) {
    return new TopK(reference, sequences, likeliest)::divergence;
  }

  static Judge<Encoder> cosine(Encoder reference, List<int[]> sequences, Pooling pooling) {
    return candidate ->
        1
            - EmbeddingFidelity.measure(candidate, reference, sequences, pooling, Progress.NONE)
                .cosine();
  }
}
