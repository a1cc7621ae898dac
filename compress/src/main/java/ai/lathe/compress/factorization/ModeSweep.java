package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.InverseFactor;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Product;
import ai.lathe.torch.Torch;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Stores a product of {@link ModeMatrix}es; codes by GPTQ, each block under the metric of what it
 * reads. It goes from the input's factor to the output's: with {@code z} what the factors behind
 * give as they are stored, a block {@code B} is first fitted to {@code z}, so that it makes up for
 * their rounding, and then rounded in the metric {@code sum z z^T} over all places where it acts.
 * The output's factor is fitted to {@code W x} itself.
 *
 * <p>What stands before a factor does not count: cores before it are orthonormal, as the singular
 * vectors of Monarch's slices are.
 *
 * <p>Instead of inputs the columns of {@code T} with {@code T T^T = H} go through the factors, in
 * float32. Blocks of so many columns that this would take too long are rounded to nearest, which a
 * note says. Of numbers the output's factor alone is fitted, where a {@link Level} says so.
 */
final class ModeSweep {

  /** Values between two factors that are in memory at a time. */
  private static final long CHUNK = 1 << 22;

  /** Multiplications for the metric of a factor: seconds. */
  private static final double MOST = 1e11;

  /** Of the mean of a metric's diagonal: what is hardly read stays as it was. */
  private static final double RIDGE = 1e-4;

  private final Matrix weight;
  private final Factors factors;
  private final List<String> notes;

  private ModeSweep(Matrix weight, Factors factors, List<String> notes) {
    this.weight = weight;
    this.factors = factors;
    this.notes = notes;
  }

  /** The setting {@link Level#fit}. */
  static final String FIT = "fit";

  /** What configs of blocks and cores have in common. */
  interface Level extends SolverConfig {

    Factors factors();

    /** In which they are found. */
    InputMetric metric();

    /** Whether the output's factor is fitted to the outputs where it has numbers; codes are. */
    boolean fit();

    /** Whether outputs count, and not the weight alone. */
    default boolean ofOutputs() {
      return fit() || factors().scheme().isPresent();
    }
  }

  /** What a level needs to know. */
  static Set<Statistic> requires(Level level) {
    return level.ofOutputs() && level.metric() != InputMetric.PLAIN
        ? Set.of(Statistic.GRAM)
        : level.metric().requires();
  }

  /** What a level is computed of: few tokens are not trusted, see {@link Dampening}. */
  static LayerStatistics seen(LayerStatistics statistics, Level level) {
    return level.ofOutputs() ? statistics.damped(Dampening.USUAL) : statistics;
  }

  /**
   * @param chain of float32, the output's first, so scaled that the rows of a block are of one size
   * @param weight {@code [out, in]}
   * @param statistics those of {@link #seen}
   * @param notes takes what is not as configured
   */
  static Product store(
      List<ModeMatrix> chain,
      Matrix weight,
      Level level,
      LayerStatistics statistics,
      List<String> notes) {
    var sweep = new ModeSweep(weight, level.factors(), notes);
    if (!level.ofOutputs()) {
      return new Product(chain.stream().<LinearWeight>map(sweep::numbers).toList());
    }
    boolean plain = level.metric() == InputMetric.PLAIN;
    // Where nothing at all is known, that was said when they were projected.
    if (!plain && statistics.gram().isEmpty() && statistics.squaredNorm().isPresent()) {
      notes.add("no Gram matrix of its inputs: fitted as if they were independent");
    }
    return sweep.solve(chain, plain ? LayerStatistics.NONE : statistics);
  }

  private ModeMatrix numbers(ModeMatrix exact) {
    return with(exact, numbers(exact.blocks().decode()));
  }

  private LinearWeight numbers(Matrix values) {
    return new Dense(Dense.of(values).tensor().to(factors.type(), Arena.ofAuto()));
  }

  private static ModeMatrix with(ModeMatrix modes, LinearWeight blocks) {
    return new ModeMatrix(blocks, modes.ofOuter(), modes.ofInner(), modes.outer(), modes.inner());
  }

  private Product solve(List<ModeMatrix> chain, LayerStatistics statistics) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var root = root(statistics);
      var exact = chain.stream().map(Stage::of).toList();
      var stages = new ArrayList<>(exact);
      var stored = new ArrayList<LinearWeight>(chain);
      for (int k = chain.size() - 1; k >= 0; k--) {
        var modes = chain.get(k);
        var grid = factors.blocks(modes.wide());
        boolean fitted = grid.isPresent() || factors.scheme().isEmpty() && k == 0;
        if (fitted && work(modes, root.size(1)) > MOST) {
          notes.add(
              "the metric of blocks of %d x %d would take too long: not fitted%s"
                  .formatted(
                      modes.high(), modes.wide(), grid.isEmpty() ? "" : ", rounded to nearest"));
          fitted = false;
        }
        var result =
            fitted
                ? with(modes, fitted(read(exact, stages, k, root), modes, grid))
                : grid.map(codes -> with(modes, Rtn.round(modes.blocks().decode(), codes)))
                    .orElseGet(() -> numbers(modes));
        stored.set(k, result);
        stages.set(k, Stage.of(result));
      }
      return new Product(stored);
    }
  }

  /** Multiplications that {@code sum z z^T} takes. */
  private static double work(ModeMatrix modes, long samples) {
    return (double) modes.outer() * modes.inner() * samples * modes.wide() * modes.wide();
  }

  /** {@code T [in, n]}. */
  private Tensor root(LayerStatistics statistics) {
    if (statistics.gram().isPresent()) {
      return Doubles.root(Doubles.of(statistics.gram().get())).to(ScalarType.Float);
    }
    var sizes = new float[weight.columns()];
    for (int j = 0; j < sizes.length; j++) {
      sizes[j] =
          statistics.squaredNorm().isEmpty()
              ? 1
              : (float) Math.sqrt(statistics.squaredNorm().get()[j]);
    }
    return torch.diag(Torch.ofFloats(sizes, sizes.length));
  }

  /**
   * What a factor reads, summed over the places of each of its blocks.
   *
   * @param gram {@code sum z z^T [count, c, c]}
   * @param target {@code sum y z^T [count, r, c]} of the outputs {@code y} that it should have
   */
  private record Read(Tensor gram, Tensor target) {}

  private Read read(List<Stage> exact, List<Stage> stored, int k, Tensor root) {
    var stage = exact.get(k);
    var modes = stage.modes();
    long[] shape = {modes.count(), modes.wide(), modes.wide()};
    var gram = torch.zeros(shape);
    shape[1] = modes.high();
    var target = torch.zeros(shape);
    long widest = exact.stream().mapToLong(other -> other.modes().columns()).max().orElseThrow();
    long step = Math.clamp(CHUNK / widest, 1, root.size(1));
    for (long from = 0; from < root.size(1); from += step) {
      try (var _ = new PointerScope()) {
        var x = root.narrow(1, from, Math.min(step, root.size(1) - from));
        var z = x;
        var before = x;
        for (int i = exact.size() - 1; i > k; i--) {
          z = stored.get(i).times(z);
          before = k == 0 ? before : exact.get(i).times(before);
        }
        var reads = stage.placed(z, modes.wide());
        var should =
            k == 0
                ? stage.placed(floats(weight).mm(x), modes.high())
                : stage.blocks().bmm(stage.placed(before, modes.wide()));
        gram.add_(reads.bmm(reads.transpose(1, 2)));
        target.add_(should.bmm(reads.transpose(1, 2)));
      }
    }
    return new Read(gram, target);
  }

  private LinearWeight fitted(Read read, ModeMatrix modes, Optional<IntegerGrid> grid) {
    var blocks = Stage.of(modes).blocks();
    var rounded = new ArrayList<LinearWeight>();
    for (int b = 0; b < modes.count(); b++) {
      var gram = read.gram().select(0, b);
      var fitted = fitted(doubled(blocks, b), doubled(read.gram(), b), doubled(read.target(), b));
      rounded.add(
          grid.map(codes -> rounded(Doubles.matrix(fitted), Doubles.matrix(gram), codes))
              .orElseGet(() -> numbers(Doubles.matrix(fitted))));
    }
    return LinearWeight.stack(rounded);
  }

  private LinearWeight rounded(Matrix block, Matrix gram, IntegerGrid grid) {
    var factor = FactorSweep.inverse(gram, grid);
    if (factor.upper().isEmpty()) {
      note(factor);
    }
    return FactorSweep.rounded(block, factor, grid);
  }

  private static Tensor floats(Matrix matrix) {
    return Torch.ofFloats(matrix.values(), matrix.rows(), matrix.columns());
  }

  private static Tensor doubled(Tensor all, int at) {
    return all.select(0, at).to(ScalarType.Double);
  }

  private void note(InverseFactor factor) {
    for (var note : factor.notes("GPTQ")) {
      if (!notes.contains(note)) {
        notes.add(note);
      }
    }
  }

  /** {@code B + (Y Z^T - B Z Z^T) (Z Z^T)^-1}. */
  private static Tensor fitted(Tensor block, Tensor gram, Tensor target) {
    double mean = Math.max(gram.diagonal().mean().item_double(), Double.MIN_NORMAL);
    var damped = gram.add(Doubles.identity(gram.size(0)).mul(Doubles.scalar(RIDGE * mean)));
    var rest = target.sub(block.mm(gram));
    return block.add(torch.cholesky_solve(rest.t(), Doubles.root(damped)).t());
  }

  /**
   * A factor that acts on columns.
   *
   * @param blocks {@code [count, r, c]}
   */
  private record Stage(ModeMatrix modes, Tensor blocks) {

    static Stage of(ModeMatrix modes) {
      var all = floats(modes.blocks().decode());
      return new Stage(modes, all.reshape(modes.count(), modes.high(), modes.wide()));
    }

    /** Of {@code [outer, side, inner, n]}: indices that have blocks of their own, side, others. */
    private long[] order() {
      var order = new ArrayList<Long>(List.of(1L));
      order.add(modes.ofInner() ? 0 : 1, 2L);
      order.add(modes.ofOuter() ? 0 : order.indexOf(1L) + 1, 0L);
      order.add(3L);
      return order.stream().mapToLong(Long::longValue).toArray();
    }

    /** {@code [outer side inner, n]} as {@code [count, side, places n]}. */
    Tensor placed(Tensor x, int side) {
      return x.reshape(modes.outer(), side, modes.inner(), x.size(1))
          .permute(order())
          .reshape(modes.count(), side, -1);
    }

    Tensor times(Tensor x) {
      long[] sizes = {modes.outer(), modes.high(), modes.inner(), x.size(1)};
      var order = order();
      var ordered = new long[4];
      var inverse = new long[4];
      for (int i = 0; i < 4; i++) {
        ordered[i] = sizes[(int) order[i]];
        inverse[(int) order[i]] = i;
      }
      return blocks
          .bmm(placed(x, modes.wide()))
          .reshape(ordered)
          .permute(inverse)
          .reshape(modes.rows(), -1);
    }
  }
}
