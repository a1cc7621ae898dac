package ai.lathe.compress.factorization;

import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How many parameters a factorization saves: numbers that are stored, whatever they take each, over
 * those of the original matrix. Positions of zeros take bytes and are no parameters.
 *
 * @param share from 0 up to, but not, 1
 */
public record Removal(double share) {

  /** Shares that ROCKET profiles, 0.05 to 0.70. */
  public static final List<Double> GRID =
      IntStream.rangeClosed(1, 14).mapToObj(i -> i / 20.0).toList();

  public Removal {
    if (!(share >= 0 && share < 1)) {
      throw new LatheException(
          "the share of parameters to remove is from 0 up to, but not, 1 (0.2 is usual), not "
              + share);
    }
  }

  /** Parameters that may be left of a {@code [rows, columns]} matrix. */
  public long left(int rows, int columns) {
    return (long) Math.floor((1 - share) * rows * columns * (1 + 1e-12));
  }

  /** The greatest rank whose two factors have no more parameters; may be 0. */
  public int rank(int rows, int columns) {
    return (int) Math.min(left(rows, columns) / (rows + columns), Math.min(rows, columns));
  }
}
