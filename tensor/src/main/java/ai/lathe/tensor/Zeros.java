package ai.lathe.tensor;

import java.util.Optional;

/**
 * How many weights of a matrix are exactly zero.
 *
 * @param count of those
 * @param weights of the matrix
 * @param pattern that the zeros follow, where a mask says which they are
 */
public record Zeros(long count, long weights, Optional<Pattern> pattern) {

  private static final int CHUNK = 1 << 18;

  /**
   * What a mask leaves out, which is known without reading values. Of a sum this is said of its
   * first part that has a mask, of a product of the first factor that has; empty where none has.
   */
  public static Optional<Zeros> masked(LinearWeight weight) {
    return switch (weight) {
      case Sparse sparse -> {
        long all = (long) sparse.rows() * sparse.columns();
        var pattern = sparse.encoding().pattern();
        yield Optional.of(new Zeros(all - sparse.mask().kept(), all, Optional.of(pattern)));
      }
      case Rotated(_, LinearWeight inner) -> masked(inner);
      case Sum(var parts) -> parts.stream().flatMap(part -> masked(part).stream()).findFirst();
      case Product(var factors, _) ->
          factors.stream().flatMap(factor -> masked(factor).stream()).findFirst();
      default -> Optional.empty();
    };
  }

  /** Those among the decoded values. */
  public static Zeros counted(LinearWeight weight) {
    int columns = weight.columns();
    int step = Math.clamp(CHUNK / columns, 1, weight.rows());
    var decoder = weight.rowDecoder();
    var values = new float[step * columns];
    long count = 0;
    for (int from = 0; from < weight.rows(); from += step) {
      int to = Math.min(weight.rows(), from + step);
      decoder.decode(from, to, values, 0);
      for (int i = 0; i < (to - from) * columns; i++) {
        count += values[i] == 0 ? 1 : 0;
      }
    }
    return new Zeros(count, (long) weight.rows() * columns, Optional.empty());
  }

  /** From 0 to 1. */
  public double share() {
    return weights == 0 ? 0 : (double) count / weights;
  }
}
