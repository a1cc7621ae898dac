package ai.lathe.compress.factorization;

import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.linalg.Cholesky;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.LowRankFit;
import ai.lathe.tensor.linalg.View;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * How the factors of a matrix are stored: as numbers, or as integer codes.
 *
 * @param type of the numbers, or of the scales: {@code F16}, {@code BF16} or {@code F32}
 * @param scheme of the codes; empty for numbers
 */
public record Factors(DType type, Optional<IntegerScheme> scheme) {

  private static final int GROUP = 128;
  private static final int GROUPS = 16;

  public Factors {
    if (type != DType.F16 && type != DType.BF16 && type != DType.F32) {
      throw new LatheException("factors are stored as F16, BF16 or F32, not " + type);
    }
    if (scheme.isPresent() && !(scheme.get().activations() instanceof Activations.None)) {
      throw new LatheException(
          "what a factor reads stays in floating point: take W%dA16 instead of %s"
              .formatted(scheme.get().bits(), scheme.get().label()));
    }
  }

  /** Of numbers. */
  public static Factors plain(DType type) {
    return new Factors(type, Optional.empty());
  }

  /**
   * Of codes in groups of 128 inputs, as what stands beside compressed weights has them.
   *
   * @param bits 2 to 8; empty for numbers
   */
  public static Factors of(DType type, Optional<Integer> bits) {
    if (bits.isPresent() && (bits.get() < 2 || bits.get() > 8)) {
      throw new LatheException(
          "adapter_bits are from 2 to 8 (4 is usual; without it factors are %s), not %d"
              .formatted(type, bits.get()));
    }
    return new Factors(
        type, bits.map(width -> new IntegerScheme(width, GROUP, true, Activations.NONE)));
  }

  /**
   * The greatest rank that is not above this one and whose rows have groups of codes: 16 is the
   * smallest group.
   */
  public int rank(int most) {
    boolean grouped =
        scheme.isPresent() && scheme.get().groupSize() != IntegerScheme.CHANNEL && most > GROUPS;
    return grouped ? most - most % GROUPS : most;
  }

  /** Of a {@code [rows, columns]} matrix. */
  public Encoding.Product encoding(int columns, int rank) {
    return new Encoding.Product(List.of(factor(rank), factor(columns)), List.of(rank));
  }

  private Encoding factor(int columns) {
    return grid(columns).<Encoding>map(IntegerGrid::encoding).orElse(new Encoding.Plain(type));
  }

  private Optional<IntegerGrid> grid(int columns) {
    return scheme.map(codes -> new IntegerGrid(codes, ScaleSearch.MSE, type).forColumns(columns));
  }

  /**
   * {@code B A} for {@code U (U^T D)}. What is free is shared out so that rows of {@code A} are as
   * long as columns of {@code B}; then {@code A} is fitted to {@code B} as it is stored, by least
   * squares. That is best under every metric: {@code B^T (D - B A) H = 0} for any {@code H}.
   *
   * @param residual {@code D [out, in]}
   */
  public Product store(LowRankFit fit, Matrix residual) {
    int rank = fit.s().length;
    var left = fit.u().copy();
    for (int k = 0; k < rank; k++) {
      float size = (float) Math.sqrt(norm(fit.right(), k));
      for (int i = 0; i < left.rows(); i++) {
        left.values()[i * rank + k] *= size;
      }
    }
    var stored = store(left);
    return Product.lowRank(stored, store(fitted(stored.decode(), residual)));
  }

  private LinearWeight store(Matrix matrix) {
    return grid(matrix.columns())
        .map(grid -> Rtn.round(matrix, grid))
        .orElseGet(() -> new Dense(Dense.of(matrix).tensor().to(type, Arena.ofAuto())));
  }

  /** {@code (B^T B)^-1 B^T D}; a column of {@code B} that is zero takes no part. */
  private static Matrix fitted(Matrix b, Matrix d) {
    int rank = b.columns();
    var inner = Matrix.zeros(rank, rank);
    Gemm.add(View.of(inner), View.of(b).transposed(), View.of(b));
    double mean = 0;
    for (int k = 0; k < rank; k++) {
      mean += inner.at(k, k) / rank;
    }
    for (int k = 0; k < rank; k++) {
      // Columns are nearly orthogonal; this only keeps those of the smallest ones apart.
      double own = inner.at(k, k);
      inner.set(k, k, own == 0 ? 1 : (float) (own * (1 + 1e-6) + 1e-12 * mean));
    }
    var against = Matrix.zeros(rank, d.columns());
    Gemm.add(View.of(against), View.of(b).transposed(), View.of(d));
    if (Cholesky.inverseFactor(inner).isPresent()) {
      throw new IllegalStateException("columns of a factor are not independent");
    }
    // (B^T B)^-1 = U^T U.
    var half = Matrix.zeros(rank, d.columns());
    Gemm.add(View.of(half), View.of(inner), View.of(against));
    Arrays.fill(against.values(), 0);
    Gemm.add(View.of(against), View.of(inner).transposed(), View.of(half));
    return against;
  }

  private static double norm(Matrix rows, int row) {
    double sum = 0;
    for (int j = 0; j < rows.columns(); j++) {
      sum += (double) rows.at(row, j) * rows.at(row, j);
    }
    return Math.sqrt(sum);
  }
}
