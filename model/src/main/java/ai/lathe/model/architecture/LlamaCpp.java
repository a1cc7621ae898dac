package ai.lathe.model.architecture;

import ai.lathe.model.architecture.Architecture.Activation;

/**
 * Where llama.cpp takes from its own code what a model's files say.
 *
 * @param windowed it heeds the key of the sliding window
 * @param widthScaled the number of blocks by which it knows the model whose attention scale is
 *     {@code 1 / sqrt(hidden / heads)}; 0 for none
 * @param activation of the feed-forward that it computes
 * @param capped it always caps attention's scores and the logits
 * @param ownOutput it needs an output matrix even where that is the token embedding
 * @param blockwise what it calls models of this architecture whose blocks have feed-forwards of
 *     different widths, or null where it opens none
 */
public record LlamaCpp(
    boolean windowed,
    int widthScaled,
    Activation activation,
    boolean capped,
    boolean ownOutput,
    String blockwise) {

  /** It computes what the architecture says, without a window. */
  static LlamaCpp plain(Activation activation) {
    return new LlamaCpp(false, 0, activation, false, false, null);
  }

  /** The same, but blocks may differ under this name. */
  LlamaCpp blockwise(String name) {
    return new LlamaCpp(windowed, widthScaled, activation, capped, ownOutput, name);
  }

  /** The attention scale that it computes with. */
  public double attentionScale(int blocks, int hidden, int heads, int headSize) {
    return 1 / Math.sqrt(blocks == widthScaled ? hidden / heads : headSize);
  }
}
