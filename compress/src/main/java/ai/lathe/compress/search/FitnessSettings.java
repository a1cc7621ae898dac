package ai.lathe.compress.search;

import ai.lathe.compress.plan.Machine;
import ai.lathe.tensor.LatheException;
import ai.lathe.torch.Precision;

/**
 * How candidates are measured, and with how much memory. Limits change no result, only its cost.
 *
 * @param objective of a decoder; an encoder's is always one minus the cosine of embeddings
 * @param likeliest tokens of each position that {@link Objective#TOP_K_KL} compares
 * @param precision of weights and products
 * @param layerMemory bytes of decoded layers to hold; those of one block are held in any case
 * @param stateMemory bytes of hidden states to hold for later candidates
 * @param logitMemory bytes of the original's logits to hold; those beyond are computed again for
 *     each candidate
 */
public record FitnessSettings(
    Objective objective,
    int likeliest,
    Precision precision,
    long layerMemory,
    long stateMemory,
    long logitMemory) {

  /** Fewer tell too little of a distribution. */
  private static final int FEWEST = 512;

  public FitnessSettings {
    if (likeliest < FEWEST) {
      throw new LatheException(
          "at least %d likeliest tokens are to be compared, not %d".formatted(FEWEST, likeliest));
    }
    if (layerMemory < 0 || stateMemory < 0 || logitMemory < 0) {
      throw new LatheException("a limit of memory is not negative");
    }
  }

  /** Bytes that are held at most, beside a block that is run. */
  public long memory() {
    return layerMemory + stateMemory + logitMemory;
  }

  /** Divergence, in float32, with about two thirds of the memory that the machine has free. */
  public static FitnessSettings divergence() {
    return of(Objective.KL);
  }

  /** Likewise, by another objective. */
  public static FitnessSettings of(Objective objective) {
    long free = Machine.availableMemory();
    return new FitnessSettings(objective, FEWEST, Precision.FLOAT32, free / 3, free / 6, free / 6);
  }
}
