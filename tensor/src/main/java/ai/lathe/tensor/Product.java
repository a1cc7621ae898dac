package ai.lathe.tensor;

import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * A product of matrices {@code W = F_1 F_2 ... F_k}, each stored as it likes: two thin ones are a
 * weight of low rank, a sparse one between two block-diagonal ones is ARMOR's, a sparse one behind
 * a dense one is a dictionary, {@link ModeMatrix}es are Monarch's and matrix product operators.
 *
 * @param factors at least two, from the output's to the input's
 * @param owner module whose own last factor the last one is: it is stored there, and not with this
 *     weight; empty where all are its own
 */
public record Product(List<LinearWeight> factors, Optional<String> owner) implements LinearWeight {

  /** Values of rows that are multiplied at a time. */
  private static final int CHUNK = 1 << 20;

  public Product {
    factors = List.copyOf(factors);
    if (factors.size() < 2) {
      throw new LatheException("a product has at least two factors");
    }
    for (int i = 1; i < factors.size(); i++) {
      if (factors.get(i - 1).columns() != factors.get(i).rows()) {
        throw new LatheException(
            "a factor of %d columns cannot stand before one of %d rows"
                .formatted(factors.get(i - 1).columns(), factors.get(i).rows()));
      }
    }
  }

  /** All factors are its own. */
  public Product(List<LinearWeight> factors) {
    this(factors, Optional.empty());
  }

  /**
   * A weight of rank at most {@code r}.
   *
   * @param u {@code [out, r]}
   * @param v {@code [r, in]}
   */
  public static Product lowRank(LinearWeight u, LinearWeight v) {
    return new Product(List.of(u, v));
  }

  @Override
  public int rows() {
    return factors.getFirst().rows();
  }

  @Override
  public int columns() {
    return factors.getLast().columns();
  }

  @Override
  public Encoding.Product encoding() {
    var own =
        new Encoding.Product(
            factors.stream().map(LinearWeight::encoding).toList(),
            factors.stream().skip(1).map(LinearWeight::rows).toList());
    return owner.map(own::sharedWith).orElse(own);
  }

  @Override
  public Activations activations() {
    return Activations.NONE;
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    rowDecoder().decode(from, to, target, offset);
  }

  /** Holds all factors but the first, decoded; of a {@link ModeMatrix} its blocks alone. */
  @Override
  public RowDecoder rowDecoder() {
    var others = factors.stream().skip(1).map(Product::onRows).toList();
    var first = factors.getFirst().rowDecoder();
    int width = factors.getFirst().columns();
    // What lies between may be much wider than the weight: a few rows at a time.
    int widest = factors.stream().mapToInt(LinearWeight::columns).max().orElseThrow();
    int most = Math.max(1, CHUNK / widest);
    return (from, to, target, offset) -> {
      for (int row = from; row < to; row += most) {
        int count = Math.min(most, to - row);
        var left = Matrix.zeros(count, width);
        first.decode(row, row + count, left.values(), 0);
        for (var right : others) {
          left = right.apply(left);
        }
        int at = offset + (row - from) * columns();
        System.arraycopy(left.values(), 0, target, at, left.values().length);
      }
    };
  }

  private static UnaryOperator<Matrix> onRows(LinearWeight right) {
    if (right instanceof ModeMatrix modes) {
      return modes.onRows();
    }
    var all = right.decode();
    return left -> times(left, all);
  }

  private static Matrix times(Matrix left, Matrix right) {
    int n = right.columns();
    var result = Matrix.zeros(left.rows(), n);
    for (int i = 0; i < left.rows(); i++) {
      for (int k = 0; k < right.rows(); k++) {
        float factor = left.at(i, k);
        if (factor == 0) {
          continue;
        }
        for (int j = 0; j < n; j++) {
          result.values()[i * n + j] += factor * right.values()[k * n + j];
        }
      }
    }
    return result;
  }
}
