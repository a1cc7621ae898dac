package ai.lathe.compress.measure;

import ai.lathe.eval.Divergence;
import ai.lathe.eval.EmbeddingFidelity;
import ai.lathe.eval.Perplexity;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.Masking;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.List;
import java.util.SplittableRandom;

/**
 * What was measured of a model, alone or against a reference. Weights are decoded through their
 * codecs, and activations rounded where the model says so.
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
@JsonTypeInfo(use = JsonTypeInfo.Id.DEDUCTION)
@JsonSubTypes({
  @JsonSubTypes.Type(Measurement.Language.class),
  @JsonSubTypes.Type(Measurement.Embedding.class)
})
public sealed interface Measurement {

  /**
   * Of a decoder.
   *
   * @param perplexity over all predicted tokens
   * @param perplexityLlamacpp over the second half of each window
   * @param tokens predicted tokens
   * @param kl mean {@code KL(reference || model)} in nats; this and what follows is null without a
   *     reference
   * @param ear expected acceptance rate
   * @param top1 how often both have the same likeliest token
   * @param referencePerplexity the reference's, over the same tokens
   */
  record Language(
      double perplexity,
      double perplexityLlamacpp,
      long tokens,
      Double kl,
      Double ear,
      Double top1,
      Double referencePerplexity,
      Divergence.Result divergence)
      implements Measurement {

    static Language of(Perplexity.Result result) {
      return new Language(
          result.perplexity(),
          result.perplexityLlamacpp(),
          result.tokens(),
          null,
          null,
          null,
          null,
          null);
    }

    static Language of(Divergence.Result result) {
      return new Language(
          result.model().perplexity(),
          result.model().perplexityLlamacpp(),
          result.model().tokens(),
          result.kl().mean(),
          result.ear(),
          result.top1(),
          result.reference().perplexity(),
          result);
    }
  }

  /**
   * Of an encoder against a reference.
   *
   * @param cosine mean cosine of sentence embeddings
   * @param cosineMin the worst text's
   * @param masked null where either has no head that predicts masked tokens, or the runtime
   *     executes the model, which leaves that head out
   */
  record Embedding(double cosine, double cosineMin, int texts, long tokens, Masked masked)
      implements Measurement {

    static Embedding of(EmbeddingFidelity.Result result, Masked masked) {
      return new Embedding(
          result.cosine(), result.cosineMin(), result.texts(), result.tokens(), masked);
    }
  }

  /**
   * What an encoder makes of masked tokens, 15 % of each text, against a reference.
   *
   * @param perplexity exponential of their mean negative log-likelihood
   * @param kl mean {@code KL(reference || model)} in nats, and so on as a decoder's
   */
  record Masked(
      double perplexity,
      double referencePerplexity,
      double kl,
      double ear,
      double top1,
      long tokens) {

    private static final long SEED = 1;

    static Masked of(Divergence.Result result) {
      return new Masked(
          result.model().perplexity(),
          result.reference().perplexity(),
          result.kl().mean(),
          result.ear(),
          result.top1(),
          result.model().tokens());
    }

    /** Null where it cannot be measured. */
    static Masked of(
        Executor executor,
        Checkpoint model,
        Checkpoint reference,
        List<int[]> sequences,
        Progress progress) {
      if (executor != Executor.TORCH
          || !model.architecture().has(Role.HEAD_TRANSFORM)
          || !reference.architecture().has(Role.HEAD_TRANSFORM)) {
        return null;
      }
      var masking = reference.tokenizer().flatMap(Masking::find);
      if (masking.isEmpty()) {
        return null;
      }
      var random = new SplittableRandom(SEED);
      var texts =
          sequences.stream()
              .filter(sequence -> sequence.length >= 3)
              .map(sequence -> masking.get().hide(sequence, random))
              .filter(text -> text.hidden() > 0)
              .toList();
      if (texts.isEmpty()) {
        return null;
      }
      var tokens = texts.stream().map(Masking.Text::tokens).toList();
      try (var run = executor.run(model, tokens, progress, "running the model on masks");
          var referenceRun =
              executor.run(reference, tokens, progress, "running the reference on masks");
          var measured = run.languageModel();
          var original = referenceRun.languageModel()) {
        return of(Divergence.measureMasked(measured, original, texts, progress));
      }
    }
  }

  /** A decoder by itself; an encoder has nothing to be measured by without a reference. */
  static Measurement of(
      Executor executor, Checkpoint model, List<int[]> sequences, Progress progress) {
    if (model.architecture().kind() == ModelKind.ENCODER) {
      throw new LatheException(
          "an encoder is measured by how near its embeddings are to another's: give --reference");
    }
    try (var run = executor.run(model, sequences, progress, "running the model");
        var measured = run.languageModel()) {
      return Language.of(Perplexity.measure(measured, sequences, progress));
    }
  }

  /**
   * A model against a reference, both run over the same sequences.
   *
   * @param executor of the model; the reference runs in float32 on LibTorch
   */
  static Measurement of(
      Executor executor,
      Checkpoint model,
      Checkpoint reference,
      List<int[]> sequences,
      Progress progress) {
    if (model.architecture().kind() != reference.architecture().kind()) {
      throw new LatheException(
          "a model of type %s and one of type %s cannot be compared"
              .formatted(model.architecture().name(), reference.architecture().name()));
    }
    try (var run = executor.run(model, sequences, progress, "running the model");
        var referenceRun =
            Executor.TORCH.run(reference, sequences, progress, "running the reference")) {
      return switch (model.architecture().kind()) {
        case DECODER -> {
          try (var measured = run.languageModel();
              var original = referenceRun.languageModel()) {
            yield Language.of(Divergence.measure(measured, original, sequences, progress));
          }
        }
        case ENCODER ->
            Embedding.of(
                EmbeddingFidelity.measure(
                    run.encoder(),
                    referenceRun.encoder(),
                    sequences,
                    reference.pooling(),
                    progress),
                Masked.of(executor, model, reference, sequences, progress));
      };
    }
  }
}
