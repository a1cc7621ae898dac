package ai.lathe.tensor;

/** The numbers that scaled values are rounded to. */
public sealed interface ElementType permits FloatType, IntegerType {

  int bits();

  /**
   * What a symmetric scale maps the largest magnitude to: {@code scale = max|x| / reach}. The
   * largest value of a floating type; half of the range of an integer type, as compressed-tensors
   * defines it (127.5 for 8 bits).
   */
  float reach();

  /** For tables: {@code int8}, {@code FP8}, {@code FP4}. */
  String label();
}
