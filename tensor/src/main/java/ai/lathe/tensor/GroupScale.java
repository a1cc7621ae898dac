package ai.lathe.tensor;

/** What the scale of a group is stored as. */
public enum GroupScale {
  /** A plain floating-point number. */
  FLOAT,
  /** A power of two, {@code 2^(b - 127)}: the MX formats. */
  E8M0,
  /**
   * A number in E4M3 that is divided by one float32 {@code g} for the whole tensor: NVFP4. With
   * {@code g = 448 * 6 / max|x|} the scale of the group with the largest value is 448.
   */
  E4M3_GLOBAL
}
