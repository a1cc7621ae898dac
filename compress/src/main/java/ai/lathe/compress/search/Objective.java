package ai.lathe.compress.search;

/** What makes one allocation better than another. All are 0 for the original model. */
public enum Objective {
  /** Mean {@code KL(original || candidate)} in nats over the whole vocabulary. */
  KL,
  /**
   * The same over the original's likeliest tokens alone, both distributions renormalized on them:
   * neither exponentials nor memory for the rest of a large vocabulary.
   */
  TOP_K_KL,
  /** Logarithm of the ratio of the candidate's perplexity to the original's. */
  PERPLEXITY,
  /** One minus the expected acceptance rate. */
  ACCEPTANCE
}
