package ai.lathe.runtime.kernel.attention;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture.ModelKind;

/**
 * What is the same for all tokens of a block.
 *
 * @param heads of queries
 * @param keyValueHeads each read by {@code heads / keyValueHeads} query heads in a row
 * @param keySize features of a query's head and of a key's
 * @param valueSize features of a value's head, and so of what a query head gives
 * @param scale what products of queries and keys are multiplied by
 * @param cap where not 0, scaled products {@code s} become {@code cap * tanh(s / cap)}
 * @param causal a token sees itself and those before it; else all of its sequence
 * @param window of causal attention: positions that a token sees, itself among them; {@link
 *     Integer#MAX_VALUE} for all
 */
public record AttentionShape(
    int heads,
    int keyValueHeads,
    int keySize,
    int valueSize,
    double scale,
    double cap,
    boolean causal,
    int window) {

  public AttentionShape {
    if (keyValueHeads < 1
        || heads % keyValueHeads != 0
        || keySize < 1
        || valueSize < 1
        || window < 1) {
      throw new IllegalArgumentException(
          "%d heads, %d of keys, of %d and %d, window %d"
              .formatted(heads, keyValueHeads, keySize, valueSize, window));
    }
  }

  public static AttentionShape of(ModelConfig config, int block, ModelKind kind) {
    boolean causal = kind == ModelKind.DECODER;
    return new AttentionShape(
        config.heads(),
        config.keyValueHeads(),
        config.widths(block).keySize(),
        config.widths(block).valueSize(),
        config.arithmetic().attentionScale(),
        config.arithmetic().attentionCap().orElse(0),
        causal,
        causal ? config.window(block).orElse(Integer.MAX_VALUE) : Integer.MAX_VALUE);
  }

  /** Query heads of one key-value head. */
  public int group() {
    return heads / keyValueHeads;
  }

  /** First position that a query sees. */
  public int from(int position) {
    return window > position ? 0 : position - window + 1;
  }

  /**
   * Behind the last position that a query sees.
   *
   * @param length of the sequence
   */
  public int to(int position, int length) {
    return causal ? position + 1 : length;
  }
}
