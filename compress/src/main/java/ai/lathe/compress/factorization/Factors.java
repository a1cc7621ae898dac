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
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.linalg.LowRankFit;
import java.lang.foreign.Arena;
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

  /** Of {@code C D}, with {@code C} sparse. */
  Encoding.Product encoding(DictionarySize size) {
    long all = (long) size.rows() * size.atoms();
    var sparse =
        Encoding.Sparse.withZeros(
            Pattern.UNSTRUCTURED, all - size.kept(), all, factor(size.atoms()));
    return new Encoding.Product(List.of(sparse, factor(size.columns())), List.of(size.atoms()));
  }

  /**
   * {@code B A} for {@code U (U^T D)}. What is free is shared out so that rows of {@code A} are as
   * long as columns of {@code B}; then {@code A} is fitted to {@code B} as it is stored, by least
   * squares.
   *
   * @param residual {@code D [out, in]}
   */
  public Product store(LowRankFit fit, Matrix residual) {
    var stored = store(balanced(fit.u(), fit.right()));
    return Product.lowRank(stored, store(Doubles.leastSquares(stored.decode(), residual)));
  }

  /**
   * {@code C D} likewise.
   *
   * @param weight {@code [out, in]}
   */
  Product store(Coefficients coefficients, Matrix weight) {
    var values = coefficients.values();
    var mask = coefficients.mask();
    var stored = store(balanced(values, Doubles.leastSquares(values, weight)));
    boolean dense = mask.kept() == values.values().length;
    var first = dense ? stored : Sparse.of(stored, mask, Pattern.UNSTRUCTURED);
    return new Product(List.of(first, store(Doubles.leastSquares(first.decode(), weight))));
  }

  /** {@code B} with columns as long as rows of {@code A}, were these divided by the same. */
  private static Matrix balanced(Matrix b, Matrix a) {
    int rank = b.columns();
    var squares = new double[rank];
    for (int i = 0; i < b.values().length; i++) {
      squares[i % rank] += (double) b.values()[i] * b.values()[i];
    }
    var factors = new float[rank];
    for (int k = 0; k < rank; k++) {
      factors[k] = squares[k] == 0 ? 0 : (float) Math.sqrt(norm(a, k) / Math.sqrt(squares[k]));
    }
    var balanced = b.copy();
    for (int i = 0; i < balanced.values().length; i++) {
      balanced.values()[i] *= factors[i % rank];
    }
    return balanced;
  }

  private LinearWeight store(Matrix matrix) {
    return grid(matrix.columns())
        .map(grid -> Rtn.round(matrix, grid))
        .orElseGet(() -> new Dense(Dense.of(matrix).tensor().to(type, Arena.ofAuto())));
  }

  private static double norm(Matrix rows, int row) {
    double sum = 0;
    for (int j = 0; j < rows.columns(); j++) {
      sum += (double) rows.at(row, j) * rows.at(row, j);
    }
    return Math.sqrt(sum);
  }
}
