package ai.lathe.compress.allocation;

/** What the user asks for. */
public sealed interface Budget {

  /**
   * @param bytes of the whole artifact, at most
   */
  record Size(long bytes) implements Budget {}

  /**
   * @param bits all bytes of the compressed linear layers over their weights, at most
   */
  record BitsPerWeight(double bits) implements Budget {}

  /**
   * @param nats mean {@code KL(original || artifact)} on held-out text, at most
   */
  record Divergence(double nats) implements Budget {}

  /**
   * @param ear expected acceptance rate on held-out text, at least
   */
  record Acceptance(double ear) implements Budget {}

  /**
   * @param ratio of the artifact's perplexity to the original's on held-out text, at most
   */
  record PerplexityRatio(double ratio) implements Budget {}

  /**
   * @param factor tokens a second, over those of the original, at least
   */
  record Speedup(double factor, Phase phase) implements Budget {}

  /** Of what a decoder does. */
  enum Phase {
    /** Reading a prompt, many tokens at once. */
    PREFILL,
    /** Writing, a token at a time. */
    DECODE
  }
}
