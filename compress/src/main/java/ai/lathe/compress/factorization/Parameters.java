package ai.lathe.compress.factorization;

import ai.lathe.tensor.Encoding;

/** Counts numbers that are stored: what a {@link Removal} saves. */
public final class Parameters {

  private Parameters() {}

  /**
   * Of a {@code [rows, columns]} matrix, whatever each takes; positions of zeros, scales and shapes
   * are none.
   */
  public static long of(Encoding encoding, int rows, int columns) {
    return switch (encoding) {
      case Encoding.Product product -> ofProduct(product, rows, columns);
      case Encoding.Sum(var parts) ->
          parts.stream().mapToLong(part -> of(part, rows, columns)).sum();
      // Counted where they are stored.
      case Encoding.Shared _ -> 0;
      case Encoding.Sparse sparse -> sparse.kept(rows, columns);
      case Encoding.BlockDiagonal(int size, _) -> (long) rows * size;
      case Encoding.Mode mode -> mode.count() * mode.side(rows) * mode.side(columns);
      default -> (long) rows * columns;
    };
  }

  private static long ofProduct(Encoding.Product product, int rows, int columns) {
    var inner = product.inner();
    long sum = 0;
    for (int i = 0; i < product.factors().size(); i++) {
      int above = i == 0 ? rows : inner.get(i - 1);
      int below = i == inner.size() ? columns : inner.get(i);
      sum += of(product.factors().get(i), above, below);
    }
    return sum;
  }
}
