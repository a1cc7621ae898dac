package ai.lathe.tensor;

/**
 * A floating-point grid: {@code value = scale * code}, the code a number of a small floating type.
 *
 * @param tile the weights that share a scale
 * @param scale what a scale is
 * @param activations how the layer's input is rounded where it is executed
 */
public record FloatScheme(
    FloatType type, ScaleTile tile, GroupScale scale, Activations activations) {

  private static final ScaleTile MX = ScaleTile.group(32);
  private static final ScaleTile NV = ScaleTile.group(16);

  /** E4M3 with plain scales. */
  public static FloatScheme fp8(ScaleTile tile, Activations activations) {
    return new FloatScheme(FloatType.E4M3, tile, GroupScale.FLOAT, activations);
  }

  /** E2M1 in groups of 32 under a power of two: 4.25 bits a weight. */
  public static FloatScheme mxfp4(Activations activations) {
    return new FloatScheme(FloatType.E2M1, MX, GroupScale.E8M0, activations);
  }

  /** E4M3 in groups of 32 under a power of two: 8.25 bits a weight. */
  public static FloatScheme mxfp8(Activations activations) {
    return new FloatScheme(FloatType.E4M3, MX, GroupScale.E8M0, activations);
  }

  /** E2M1 in groups of 16 under an E4M3 scale and one of the tensor: 4.5 bits a weight. */
  public static FloatScheme nvfp4(Activations activations) {
    return new FloatScheme(FloatType.E2M1, NV, GroupScale.E4M3_GLOBAL, activations);
  }

  /** Whether it has a scale for the whole tensor besides those of its tiles. */
  public boolean global() {
    return scale == GroupScale.E4M3_GLOBAL;
  }

  /** For tables: {@code FP8 channel}, {@code FP8 128x128}, {@code MXFP4}, {@code NVFP4}. */
  public String label() {
    return switch (scale) {
      case FLOAT -> type.label() + " " + tile.label();
      case E8M0 -> "MX" + type.label() + (tile.equals(MX) ? "" : " " + tile.label());
      case E4M3_GLOBAL -> "NV" + type.label() + (tile.equals(NV) ? "" : " " + tile.label());
    };
  }
}
