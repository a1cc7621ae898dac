package ai.lathe.tensor;

/** The element types of plain tensors, named as safetensors names them. */
public enum DType {
  F64(64),
  F32(32),
  F16(16),
  BF16(16),
  F8_E4M3(8),
  F8_E5M2(8),
  F8_E8M0(8),
  I64(64),
  I32(32),
  I16(16),
  I8(8),
  U64(64),
  U32(32),
  U16(16),
  U8(8),
  BOOL(8),
  C64(64),
  F4(4),
  F6_E2M3(6),
  F6_E3M2(6),
  F8_E4M3FNUZ(8),
  F8_E5M2FNUZ(8);

  private final int bits;

  DType(int bits) {
    this.bits = bits;
  }

  /** Bits of one element; an element may be smaller than a byte. */
  public int bits() {
    return bits;
  }

  /**
   * Bytes of {@code elements} elements stored without gaps; a partial last byte is an error of the
   * caller.
   */
  public long bytes(long elements) {
    return Math.multiplyExact(elements, bits) / 8;
  }

  /**
   * Whether a value is read as a real number and may be converted to float32 by {@link
   * Tensor#copyFloats}.
   */
  public boolean isFloat() {
    return switch (this) {
      case F64,
          F32,
          F16,
          BF16,
          F8_E4M3,
          F8_E5M2,
          F8_E8M0,
          F4,
          F6_E2M3,
          F6_E3M2,
          F8_E4M3FNUZ,
          F8_E5M2FNUZ ->
          true;
      default -> false;
    };
  }
}
