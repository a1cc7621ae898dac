package ai.lathe.torch;

import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What linear layers compute in, and their weights are held in. Norms, rotations, softmax and the
 * residual stream are float32 in either case, and products are summed in float32.
 */
public enum Precision {
  FLOAT32(ScalarType.Float, 4),
  /** Half the memory; inputs of linear layers are rounded too. */
  BFLOAT16(ScalarType.BFloat16, 2);

  private final ScalarType type;
  private final int bytes;

  Precision(ScalarType type, int bytes) {
    this.type = type;
    this.bytes = bytes;
  }

  ScalarType type() {
    return type;
  }

  /** Bytes of one weight. */
  public int bytes() {
    return bytes;
  }
}
