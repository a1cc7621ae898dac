package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.InverseFactors;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.linalg.LowRankFit;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
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

  /** Rows whose zero points are whole words. */
  private static final int WORD = 32;

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
    return grouped() && most > GROUPS ? most - most % GROUPS : most;
  }

  /**
   * Likewise of blocks that have several columns for each rank; where more than a thirty-second of
   * the rank would be lost, it stays, and a row has one scale.
   *
   * @param times columns of a row for each rank
   */
  int rank(int most, int times) {
    int lost = most % (GROUPS / Math.min(GROUPS, Integer.lowestOneBit(times)));
    return grouped() && 32 * lost <= most ? most - lost : most;
  }

  private boolean grouped() {
    return scheme.isPresent() && scheme.get().groupSize() != IntegerScheme.CHANNEL;
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

  /** Codes of blocks of so many columns; empty where numbers take no more bytes. */
  Optional<IntegerGrid> blocks(int columns) {
    var plain = new Encoding.Plain(type);
    return grid(columns)
        .filter(grid -> grid.encoding().bytes(WORD, columns) < plain.bytes(WORD, columns));
  }

  /** How these rows are stored. */
  Encoding ofBlocks(int columns) {
    return blocks(columns).<Encoding>map(IntegerGrid::encoding).orElse(new Encoding.Plain(type));
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
   * What rounding by GPTQ needs of a layer's inputs; empty where nothing is rounded, or errors
   * count otherwise than by the Gram matrix of the inputs.
   */
  public Optional<InverseFactors> inputs(Layer layer, LayerStatistics statistics, Metric metric) {
    return scheme.isPresent() && metric instanceof Metric.Full
        ? Optional.of(new InverseFactors(layer, statistics, "GPTQ"))
        : Optional.empty();
  }

  /**
   * {@code B A} for {@code U (U^T D)}. What is free is shared out so that rows of {@code A} are as
   * long as columns of {@code B}; then {@code A} is fitted to {@code B} as it is stored, by least
   * squares. Codes are found by {@link FactorSweep} where inputs are known, else rounded to
   * nearest.
   *
   * @param residual {@code D [out, in]}
   * @param inputs in whose metric errors count; empty where all weights count alike
   */
  public Product store(LowRankFit fit, Matrix residual, Optional<InverseFactors> inputs) {
    return store(fit.u(), fit.right(), Optional.empty(), residual, inputs);
  }

  /**
   * {@code C D} likewise.
   *
   * @param weight {@code [out, in]}
   */
  Product store(Coefficients coefficients, Matrix weight, Optional<InverseFactors> inputs) {
    var values = coefficients.values();
    var a = Doubles.leastSquares(values, weight);
    return store(values, a, sparse(coefficients), weight, inputs);
  }

  /**
   * {@code C D} with a dictionary that stands fixed.
   *
   * @param owner who stores the dictionary; empty where this weight does
   * @param weight {@code [out, in]}
   */
  Product store(
      Coefficients coefficients,
      LinearWeight dictionary,
      Optional<String> owner,
      Matrix weight,
      Optional<InverseFactors> inputs) {
    var values = coefficients.values();
    var mask = sparse(coefficients);
    var first =
        scheme.isPresent() && inputs.isPresent()
            ? sweep(values.columns(), weight, inputs.get(), mask).outerFor(dictionary, values)
            : masked(store(values), mask);
    return new Product(List.of(first, dictionary), owner);
  }

  private Product store(
      Matrix b, Matrix a, Optional<Mask> mask, Matrix weight, Optional<InverseFactors> inputs) {
    if (scheme.isPresent() && inputs.isPresent()) {
      return sweep(b.columns(), weight, inputs.get(), mask).solve(b, a);
    }
    var lengths = new double[a.rows()];
    for (int k = 0; k < lengths.length; k++) {
      lengths[k] = norm(a, k);
    }
    var first = masked(store(FactorSweep.scaled(b, scales(b, lengths))), mask);
    return new Product(List.of(first, store(Doubles.leastSquares(first.decode(), weight))));
  }

  private FactorSweep sweep(int rank, Matrix weight, InverseFactors inputs, Optional<Mask> mask) {
    var ofOuter = grid(rank).orElseThrow();
    var ofInner = grid(weight.columns()).orElseThrow();
    return new FactorSweep(weight, inputs, ofOuter, ofInner, mask);
  }

  private static Optional<Mask> sparse(Coefficients coefficients) {
    boolean dense = coefficients.mask().kept() == coefficients.values().values().length;
    return dense ? Optional.empty() : Optional.of(coefficients.mask());
  }

  private static LinearWeight masked(LinearWeight stored, Optional<Mask> mask) {
    return mask.<LinearWeight>map(kept -> Sparse.of(stored, kept, Pattern.UNSTRUCTURED))
        .orElse(stored);
  }

  /**
   * What columns of {@code B} are multiplied by, so that they are as long as rows of {@code A} that
   * are divided by the same; 0 for columns that are 0.
   *
   * @param lengths of the rows of {@code A}
   */
  static float[] scales(Matrix b, double[] lengths) {
    int rank = b.columns();
    var squares = new double[rank];
    for (int i = 0; i < b.values().length; i++) {
      squares[i % rank] += (double) b.values()[i] * b.values()[i];
    }
    var scales = new float[rank];
    for (int k = 0; k < rank; k++) {
      scales[k] = squares[k] == 0 ? 0 : (float) Math.sqrt(lengths[k] / Math.sqrt(squares[k]));
    }
    return scales;
  }

  /** One factor. */
  LinearWeight store(Matrix matrix) {
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
