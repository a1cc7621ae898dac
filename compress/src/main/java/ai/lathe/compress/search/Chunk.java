package ai.lathe.compress.search;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.measure.Executor;
import ai.lathe.model.Encoder;
import ai.lathe.model.LanguageModel;
import ai.lathe.torch.States;
import ai.lathe.torch.TokenBatches;
import java.util.List;

/** Some sequences of a {@link TextBatch}, and what the original makes of them. */
final class Chunk implements AutoCloseable {

  private final ModelFitness fitness;
  private final TokenBatches batches;

  /** The original's states after the last block, where they are read again; else null. */
  private States original;

  private Judge<LanguageModel> decoders;
  private Judge<Encoder> encoders;

  Chunk(ModelFitness fitness, List<int[]> sequences) {
    this.fitness = fitness;
    this.batches = new TokenBatches(sequences, Executor.BATCH_TOKENS);
  }

  /** In the mean over all chunks: predicted tokens, or texts. */
  double weight() {
    var sequences = batches.sequences();
    return fitness.decoder()
        ? sequences.stream().mapToLong(sequence -> sequence.length - 1).sum()
        : sequences.size();
  }

  /** One stage of an allocation. */
  States run(Allocation allocation, int stage, States input) {
    return fitness.run(allocation, stage, batches, input);
  }

  /** Whether {@link #original} was told. */
  boolean prepared() {
    return decoders != null || encoders != null;
  }

  /**
   * Takes what candidates are to be compared with.
   *
   * @param states of the original after the last block
   * @return bytes of its logits that are held, to be released with this
   */
  long original(States states) {
    var sequences = batches.sequences();
    if (!fitness.decoder()) {
      original = states.copy();
      var reference = fitness.model().encoder(batches, original);
      encoders = Judge.cosine(reference, sequences, fitness.original().pooling());
      return 0;
    }
    var settings = fitness.settings();
    var objective = settings.objective();
    long bytes = HeldLogits.bytes(fitness.original().config().vocabulary(), sequences);
    try (var reference = decoder(fitness.stages().original(), states)) {
      switch (objective) {
        case TOP_K_KL -> decoders = Judge.topK(reference, sequences, settings.likeliest());
        case PERPLEXITY -> decoders = Judge.perplexity(reference, sequences);
        case KL, ACCEPTANCE -> {
          if (fitness.reserveLogits(bytes)) {
            decoders = Judge.divergence(objective, new HeldLogits(reference, sequences), sequences);
            return bytes;
          }
          original = states.copy();
          decoders = candidate -> again(objective, candidate);
        }
      }
      return 0;
    } finally {
      fitness.letGo();
    }
  }

  /** With the original's logits computed once more. */
  private double again(Objective objective, LanguageModel candidate) {
    try (var reference = decoder(fitness.stages().original(), original);
        var judge = Judge.divergence(objective, reference, batches.sequences())) {
      return judge.loss(candidate);
    }
  }

  /**
   * @param states of the allocation after the last block
   */
  double loss(Allocation allocation, States states) {
    if (!fitness.decoder()) {
      return encoders.loss(fitness.model().encoder(batches, states));
    }
    try (var candidate = decoder(allocation, states)) {
      return decoders.loss(candidate);
    } finally {
      fitness.letGo();
    }
  }

  private LanguageModel decoder(Allocation allocation, States states) {
    return fitness.model().languageModel(batches, states, fitness.head(allocation));
  }

  @Override
  public void close() {
    if (decoders != null) {
      decoders.close();
    }
    if (original != null) {
      original.close();
    }
  }
}
