package ai.lathe.compress.quantization;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Cholesky;
import ai.lathe.tensor.linalg.Parallel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * What GPTQ needs of a Gram matrix: {@code U}, upper triangular, with {@code (H + damping)^-1 = U^T
 * U}, for the inputs in the order in which they will be quantized.
 *
 * @param upper {@code U [in, in]}; empty where no damping made {@code H} positive definite
 * @param order the input at each position of {@code U}
 * @param dead inputs that were zero on every calibration token; {@code H_jj} is 1 for them
 * @param notes what did not go as configured, one sentence each
 */
public record InverseFactor(Optional<Matrix> upper, int[] order, int[] dead, List<String> notes) {

  /** Dampening is raised tenfold at each failure, up to the mean of the diagonal itself. */
  private static final double LARGEST_DAMPENING = 1;

  /** Where raising starts from 0. */
  private static final double SMALLEST_RAISE = 0.01;

  /**
   * @param descending the order is by descending diagonal of {@code H}; else as stored
   * @param dampening share of the mean of the diagonal that is added to it
   */
  public static InverseFactor of(Matrix gram, boolean descending, double dampening) {
    int n = gram.rows();
    var order =
        IntStream.range(0, n)
            .boxed()
            .sorted(
                descending
                    ? Comparator.comparing((Integer j) -> -gram.at(j, j))
                    : Comparator.naturalOrder())
            .mapToInt(Integer::intValue)
            .toArray();
    var dead = IntStream.range(0, n).filter(j -> gram.at(j, j) == 0).toArray();
    var notes = new ArrayList<String>();
    if (dead.length == n) {
      notes.add("every input was zero on all calibration tokens");
      return new InverseFactor(Optional.empty(), order, dead, notes);
    }
    if (dead.length > 0) {
      notes.add(
          "%d of %d inputs were zero on all calibration tokens; their weights are set to 0"
              .formatted(dead.length, n));
    }
    double mean = dead.length;
    for (int j = 0; j < n; j++) {
      mean += gram.at(j, j);
    }
    mean /= n;
    for (double share = dampening; ; share = Math.max(share * 10, SMALLEST_RAISE)) {
      var h = damped(gram, order, (float) (share * mean));
      var failed = Cholesky.inverseFactor(h);
      if (failed.isEmpty()) {
        return new InverseFactor(Optional.of(h), order, dead, notes);
      }
      notes.add(
          "with dampening %s the Gram matrix is not positive definite (at input %d)"
              .formatted(share, order[failed.getAsInt()]));
      if (share >= LARGEST_DAMPENING) {
        return new InverseFactor(Optional.empty(), order, dead, notes);
      }
    }
  }

  /** What stands in for {@code U} where there is none: nothing is made up for. */
  public static Matrix identity(int n) {
    var identity = Matrix.zeros(n, n);
    for (int i = 0; i < n; i++) {
      identity.set(i, i, 1);
    }
    return identity;
  }

  /** All that did not go as configured for this method. */
  public List<String> notes(String method) {
    var all = new ArrayList<>(notes);
    if (upper.isEmpty()) {
      all.add("rounded to nearest instead of " + method);
    }
    return all;
  }

  /** The upper triangle of {@code H}, permuted, with dead inputs and damping on the diagonal. */
  private static Matrix damped(Matrix gram, int[] order, float damping) {
    int n = order.length;
    var h = Matrix.zeros(n, n);
    Parallel.forEach(
        n,
        i -> {
          int from = order[i] * n;
          for (int j = i; j < n; j++) {
            h.values()[i * n + j] = gram.values()[from + order[j]];
          }
          float diagonal = h.at(i, i);
          h.set(i, i, (diagonal == 0 ? 1 : diagonal) + damping);
        });
    return h;
  }

  @Override
  public boolean equals(Object other) {
    return this == other;
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(order);
  }
}
