package ai.lathe.compress.pruning.fisher;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.OptionalInt;

/**
 * Gradients as a recipe asks for them.
 *
 * @param gradients m: each is the mean of a mini-batch
 * @param batch sequences of a mini-batch; empty for as many as the text gives, {@value
 *     #USUAL_BATCH} at most
 * @param objective what is differentiated
 */
public record Gathering(int gradients, OptionalInt batch, Objective objective) {

  static final String GRADIENTS = "num_grads";
  static final String BATCH = "batch_size";
  static final String OBJECTIVE = "loss";
  static final List<String> KEYS = List.of(GRADIENTS, BATCH, OBJECTIVE);

  /** oBERT's. */
  public static final int USUAL_BATCH = 16;

  /** What is differentiated, by the name that recipes use. */
  public enum Objective {
    /**
     * Own tokens for a decoder; for an encoder masked tokens where it has a head for them, else the
     * embedding.
     */
    AUTO,
    /** A decoder's cross-entropy of the text. */
    NEXT_TOKEN,
    /** An encoder's cross-entropy of tokens that are hidden from it. */
    MASKED_TOKEN,
    /** Cross-entropy of tokens that the model draws itself, next ones or masked ones. */
    OWN_TOKEN,
    /** Distance of such tokens to the model before pruning; own tokens in the first step. */
    DISTILLATION,
    /** An encoder's embedding. */
    EMBEDDING,
    /** An encoder's states of all tokens. */
    STATES
  }

  public Gathering {
    if (gradients < 1 || batch.isPresent() && batch.getAsInt() < 1) {
      throw new LatheException(
          "%s and %s are 1 or more, not %d and %s"
              .formatted(
                  GRADIENTS, BATCH, gradients, batch.isPresent() ? batch.getAsInt() : "any"));
    }
  }

  static Gathering read(Settings given, int gradients) {
    int batch = given.integer(BATCH, 0);
    return new Gathering(
        given.integer(GRADIENTS, gradients),
        batch == 0 ? OptionalInt.empty() : OptionalInt.of(batch),
        given.choice(OBJECTIVE, Objective.AUTO));
  }

  /** Sequences that all gradients take. */
  public int sequences() {
    return Math.multiplyExact(gradients, batch.orElse(USUAL_BATCH));
  }
}
