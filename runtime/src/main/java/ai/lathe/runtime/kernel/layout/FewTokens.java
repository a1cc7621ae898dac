package ai.lathe.runtime.kernel.layout;

import ai.lathe.tensor.DType;

/**
 * Up to how many tokens stored floats are multiplied row by row, with one token after the other;
 * with more, a row is decoded once for all of them and its products are summed in the order of
 * columns. All providers that sum in lanes change their order of sums there.
 */
public final class FewTokens {

  private FewTokens() {}

  /** More for types that cost less to decode. */
  public static int most(DType type) {
    return switch (type) {
      case F32 -> 6;
      case BF16 -> 8;
      case F16 -> 3;
      default -> 0;
    };
  }
}
