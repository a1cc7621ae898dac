package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.BlockDiagonal;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * ARMOR: {@code W ~ A S B} with {@code S} 2:4 sparse between two block-diagonal matrices, which
 * turn what they are given so that less is lost by zeros. They add {@code size / out + size / in}
 * of the matrix.
 *
 * <p>Rows and columns are brought to length 1 first, as NoWag does, and the lengths go into {@code
 * A} and {@code B} afterwards. From {@code A = B = I} and NoWag's {@code S}, {@link ArmorDescent}
 * goes down the sum of {@code h_j (W - A S B)_ij^2} with {@code h_j} the squared norm of an input.
 *
 * @see <a href="https://arxiv.org/abs/2510.05528">Liu et al., ARMOR, 2025</a>
 */
public final class Armor implements PruningMethod<Armor.Config> {

  static final Pattern.SemiStructured PATTERN = new Pattern.SemiStructured(2, 4);

  /** What recipes may set. */
  public static final List<String> SETTINGS =
      List.of("block_size", "iterations", "learning_rate", "seed");

  private static final int LARGEST_BLOCK = 256;

  /**
   * @param type in which all three factors are stored
   * @param blockSize of the largest blocks of {@code A} and {@code B}; smaller ones are taken where
   *     it does not divide the matrix
   * @param iterations at most
   * @param learningRate of Adam
   */
  public record Config(DType type, int blockSize, int iterations, double learningRate, long seed)
      implements SolverConfig {

    public Config {
      if (blockSize < 4 || blockSize > LARGEST_BLOCK) {
        throw new LatheException(
            "ARMOR's block_size is from 4 to %d (32 is usual), not %d"
                .formatted(LARGEST_BLOCK, blockSize));
      }
      if (iterations < 0) {
        throw new LatheException(
            "ARMOR's iterations are 0 or more (3000 is usual), not " + iterations);
      }
      if (!(learningRate > 0 && learningRate < 1)) {
        throw new LatheException(
            "ARMOR's learning_rate is between 0 and 1 (1e-4 is usual), not " + learningRate);
      }
    }
  }

  @Override
  public String name() {
    return "armor";
  }

  @Override
  public Config config(Sparsity sparsity, Kept kept, Map<String, ?> settings) {
    boolean half =
        sparsity.pattern() instanceof Pattern.Unstructured
            && sparsity.share() == PATTERN.sparsity();
    if (!half && !sparsity.pattern().equals(PATTERN)) {
      throw new LatheException(
          "armor prunes 2:4, not %s: take --pattern 2:4".formatted(sparsity.label()));
    }
    if (!(kept instanceof Kept.Plain(DType type))) {
      throw new LatheException(
          "armor stores its factors in half precision: leave the scheme out, or prune by sparsegpt"
              + " or slim");
    }
    var given = new Settings("ARMOR", settings, SETTINGS);
    return new Config(
        type,
        given.integer("block_size", 32),
        given.integer("iterations", 3000),
        given.number("learning_rate", 1e-4),
        given.integer("seed", 0));
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    return PATTERN.refusal(rows, columns);
  }

  @Override
  public Encoding encoding(Config config, int rows, int columns) {
    var plain = new Encoding.Plain(config.type());
    return new Encoding.Product(
        List.of(
            new Encoding.BlockDiagonal(block(rows, 1, config.blockSize()), config.type()),
            new Encoding.Sparse(PATTERN, PATTERN.sparsity(), plain),
            new Encoding.BlockDiagonal(block(columns, 4, config.blockSize()), config.type())),
        List.of(rows, columns));
  }

  /**
   * The largest size of at most {@code most} that divides {@code n} and is a multiple of a group.
   */
  static int block(int n, int group, int most) {
    int size = Math.min(most, n) / group * group;
    while (n % size != 0) {
      size -= group;
    }
    return size;
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.INPUT_SQUARED_NORM);
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    return levels.stream().map(level -> solve(layer.weight(), statistics, level)).toList();
  }

  private static Solution solve(Matrix weight, LayerStatistics statistics, Config config) {
    var notes = new ArrayList<String>();
    var squares = statistics.squaredNorm().orElse(null);
    if (squares == null) {
      notes.add("nothing is known of its inputs: all count alike");
      squares = new float[weight.columns()];
      java.util.Arrays.fill(squares, 1);
    }
    var unit = Normalized.of(weight);
    var descent =
        new ArmorDescent(
            unit.weight(),
            squares,
            block(weight.rows(), 1, config.blockSize()),
            block(weight.columns(), 4, config.blockSize()),
            config.learningRate(),
            config.seed());
    descent.run(config.iterations());
    return new Solution(product(descent, unit, config.type()), notes);
  }

  /** With the lengths of rows in {@code A} and of columns in {@code B}. */
  private static Product product(ArmorDescent descent, Normalized unit, DType type) {
    var a = descent.a().copy();
    for (int i = 0; i < a.rows(); i++) {
      for (int k = 0; k < a.columns(); k++) {
        a.set(i, k, a.at(i, k) * unit.rows()[i]);
      }
    }
    var b = descent.b().copy();
    int size = b.columns();
    for (int i = 0; i < b.rows(); i++) {
      for (int k = 0; k < size; k++) {
        b.set(i, k, b.at(i, k) * unit.columns()[i / size * size + k]);
      }
    }
    var core = new Dense(Dense.of(descent.core()).tensor().to(type, Arena.ofAuto()));
    return new Product(
        List.of(diagonal(a, type), Sparse.of(core, descent.mask(), PATTERN), diagonal(b, type)));
  }

  private static LinearWeight diagonal(Matrix blocks, DType type) {
    int size = blocks.columns();
    return new BlockDiagonal(
        Tensor.ofFloats(blocks.values(), blocks.rows() / size, size, size)
            .to(type, Arena.ofAuto()));
  }

  /**
   * NoWag's 2:4 mask of a matrix whose rows and columns have length 1: the two of four with the
   * largest {@code w^2 h_j}.
   */
  static Mask mask(Matrix unit, float[] squares) {
    var scores = unit.copy();
    for (int i = 0; i < scores.values().length; i++) {
      float w = scores.values()[i];
      scores.values()[i] = w * w * squares[i % unit.columns()];
    }
    return Selection.keepGreatest(scores, new Sparsity(PATTERN.sparsity(), PATTERN), Scope.ROW);
  }

  /**
   * {@code W = diag(rows) weight diag(columns)}: first columns, then rows have length 1.
   *
   * @param rows {@code [out]}
   * @param columns {@code [in]}
   */
  record Normalized(Matrix weight, float[] rows, float[] columns) {

    static Normalized of(Matrix w) {
      int m = w.rows();
      int n = w.columns();
      var columns = new double[n];
      for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
          columns[j] += (double) w.at(i, j) * w.at(i, j);
        }
      }
      var across = new float[n];
      for (int j = 0; j < n; j++) {
        across[j] = length(columns[j]);
      }
      var unit = w.copy();
      var down = new float[m];
      for (int i = 0; i < m; i++) {
        double sum = 0;
        for (int j = 0; j < n; j++) {
          float value = w.at(i, j) / across[j];
          unit.set(i, j, value);
          sum += (double) value * value;
        }
        down[i] = length(sum);
        for (int j = 0; j < n; j++) {
          unit.set(i, j, unit.at(i, j) / down[i]);
        }
      }
      return new Normalized(unit, down, across);
    }

    /** A row or column of zeros keeps its length. */
    private static float length(double square) {
      return square == 0 ? 1 : (float) Math.sqrt(square);
    }
  }
}
