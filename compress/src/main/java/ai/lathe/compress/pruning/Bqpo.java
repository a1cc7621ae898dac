package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.BlockSolver.Part;
import ai.lathe.compress.layer.BlockSolver.Problem;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.training.Adam;
import ai.lathe.compress.training.BlockBatches;
import ai.lathe.compress.training.BlockBatches.Batch;
import ai.lathe.model.Address;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchBlock;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * GQSA's block quantization-pruning optimization (BQPO). The mask {@code M} is chosen; the weights
 * that it keeps, and each group's scale and zero point, are trained together so that the block
 * {@code f} gives out what it did,
 *
 * <pre>
 *   min ||f(X; V) - f(X; W0)||^2    V = M s (q - z')   q = clamp(round(W / s) + z', min, max)   z' = round(z)
 * </pre>
 *
 * {@code X} being what the compressed blocks before it give. Rounding passes gradients straight
 * through. Where nothing is clamped, {@code dV/dW = 1}, {@code dV/ds = round(W / s) - W / s} and
 * {@code dV/dz = 0}; where it is, {@code 0}, {@code q - z'} and {@code -s}. AdamW takes the steps,
 * for scales on their logarithms. Of the start and what each epoch leaves that is kept which comes
 * nearest on inputs kept apart.
 *
 * @see <a href="https://arxiv.org/abs/2412.17560">Zeng et al., GQSA, 2024</a>
 */
final class Bqpo implements AutoCloseable {

  /** Zero points are counted in codes, and move so many times as fast as logarithms of scales. */
  private static final double ZERO_PACE = 10;

  /** Learning rates fall to this share of what they begin with, by a cosine. */
  private static final double LEAST_RATE = 0.05;

  /**
   * @param epochs over the inputs that are trained on; 0 trains nothing
   * @param batchTokens about as many tokens a step
   * @param tokens most that are trained on
   * @param learningRate of weights, in mean steps of their layer's grid
   * @param scaleRate of the logarithm of scales
   * @param weightDecay of weights
   */
  record Settings(
      int epochs,
      int batchTokens,
      int tokens,
      double learningRate,
      double scaleRate,
      double weightDecay,
      int seed) {

    Settings {
      if (epochs < 0 || batchTokens < 1 || tokens < 1) {
        throw new LatheException(
            "GQSA's epochs are 0 or more, its batch_tokens and tokens at least 1, not %d, %d and %d"
                .formatted(epochs, batchTokens, tokens));
      }
      boolean rates = learningRate >= 0 && learningRate <= 10 && scaleRate >= 0 && scaleRate <= 1;
      if (!rates || !(weightDecay >= 0 && weightDecay <= 1)) {
        throw new LatheException(
            "GQSA's learning_rate is 0 to 10 grid steps, its scale_learning_rate and weight_decay 0 to 1, not %s, %s and %s"
                .formatted(learningRate, scaleRate, weightDecay));
      }
    }
  }

  private final Problem<Gqsa.Config> problem;
  private final Settings settings;
  private final Arena arena = Arena.ofShared();
  private final BlockBatches batches;
  private final List<Learner> learners = new ArrayList<>();
  private final Map<Batch, Tensor> targets = new HashMap<>();
  private final Map<Address, Tensor> leaves = new HashMap<>();

  /**
   * A layer in training.
   *
   * @param leaf {@code V}, a view of {@code memory}
   */
  private record Learner(
      Part<Gqsa.Config> part,
      Solution start,
      Rounded rounded,
      float[] values,
      MemorySegment memory) {}

  /**
   * @param starts what training begins with, by layer: {@link Sparse} codes of an integer grid
   */
  Bqpo(Problem<Gqsa.Config> problem, Settings settings, Map<Address, Solution> starts) {
    this.problem = problem;
    this.settings = settings;
    long seed = 31L * settings.seed() + problem.block();
    this.batches =
        new BlockBatches(problem.inputs(), settings.batchTokens(), settings.tokens(), seed);
    for (var part : problem.parts()) {
      var start = starts.get(part.address());
      var rounded = new Rounded((Sparse) start.weight(), part.config().grid(), settings);
      int count = rounded.rows * rounded.columns;
      var memory = arena.allocate((long) count * Float.BYTES, 64);
      leaves.put(
          part.address(),
          Torch.owned(
              () -> Torch.view(memory, rounded.rows, rounded.columns).set_requires_grad(true)));
      learners.add(new Learner(part, start, rounded, new float[count], memory));
    }
    for (var batch : batches.all()) {
      targets.put(batch, Torch.owned(() -> run(problem.original(), batch)));
    }
  }

  Map<Address, Solution> solve() {
    var block = problem.original().with(leaves);
    var random = new Random(settings.seed());
    var order = new ArrayList<>(batches.training());
    int steps = settings.epochs() * order.size();
    round();
    double least = loss(block);
    var best = new HashMap<Learner, Sparse>();
    for (int epoch = 0, step = 0; epoch < settings.epochs(); epoch++) {
      problem
          .task()
          .note(
              "block %d, BQPO, epoch %d of %d"
                  .formatted(problem.block(), epoch + 1, settings.epochs()));
      Collections.shuffle(order, random);
      for (var batch : order) {
        double falling = 0.5 * (1 + Math.cos(Math.PI * step++ / steps));
        step(block, batch, LEAST_RATE + (1 - LEAST_RATE) * falling);
        round();
      }
      double loss = loss(block);
      if (loss < least) {
        least = loss;
        learners.forEach(learner -> best.put(learner, learner.rounded().stored()));
      }
    }
    var solutions = new LinkedHashMap<Address, Solution>();
    for (var learner : learners) {
      solutions.put(learner.part().address(), solution(learner, best.get(learner)));
    }
    return solutions;
  }

  private Solution solution(Learner learner, Sparse trained) {
    var notes = new ArrayList<>(learner.start().fallbacks());
    if (batches.sameText()) {
      notes.add("BQPO trained and validated on the same text: there is one batch of it");
    }
    if (trained == null) {
      notes.add("BQPO did not improve the block on inputs kept apart; its start is kept");
    }
    return new Solution(trained == null ? learner.start().weight() : trained, notes);
  }

  /** Puts {@code V} where the block reads it. */
  private void round() {
    for (var learner : learners) {
      var values = learner.values();
      learner.rounded().values(values);
      MemorySegment.copy(values, 0, learner.memory(), ValueLayout.JAVA_FLOAT, 0, values.length);
    }
  }

  private void step(TorchBlock block, Batch batch, double share) {
    try (var _ = new PointerScope();
        var _ = new AutoGradMode(true)) {
      Torch.backwardThroughAttention(batch.squared(run(block, batch), targets.get(batch)));
      for (var learner : learners) {
        var gradient = leaves.get(learner.part().address()).grad();
        // That of an expert without tokens is undefined.
        if (gradient.defined()) {
          Torch.copy(gradient, learner.values(), 0);
          gradient.zero_();
          learner.rounded().step(learner.values(), share);
        }
      }
    }
  }

  private static Tensor run(TorchBlock block, Batch batch) {
    return block.forward(batch.hidden(), batch.mask(), null);
  }

  /** Squared error of the block's output over the batches kept apart. */
  private double loss(TorchBlock block) {
    double sum = 0;
    for (var batch : batches.validation()) {
      try (var _ = new PointerScope();
          var _ = new NoGradGuard()) {
        sum += batch.squared(run(block, batch), targets.get(batch)).item_double();
      }
    }
    return sum;
  }

  @Override
  public void close() {
    targets.values().forEach(Tensor::close);
    leaves.values().forEach(Tensor::close);
    batches.close();
    arena.close();
  }

  /** {@code V} of a layer and what it is made of. */
  static final class Rounded {
    private final Sparse start;
    private final Mask mask;
    private final IntegerGrid grid;
    private final IntegerScheme scheme;
    private final int rows;
    private final int columns;
    private final int size;
    private final int groups;

    /** {@code W [out, in]}. */
    final Matrix weight;

    /** {@code log(s / s0) [out, groups]}, with s0 the scale that training began with. */
    final Matrix logScale;

    /** {@code z [out, groups]}, not yet rounded; zeros where the scheme is symmetric. */
    final Matrix zero;

    private final float[] startScale;
    private final Adam weightSteps;
    private final Adam scaleSteps;
    private final Adam zeroSteps;

    /**
     * @param start whole groups of codes; each weight begins in the middle of what rounds to its
     *     code
     */
    Rounded(Sparse start, IntegerGrid grid, Settings settings) {
      this.start = start;
      this.mask = start.mask();
      this.grid = grid;
      this.scheme = grid.scheme();
      rows = start.rows();
      columns = start.columns();
      size = grid.groupSize(columns);
      groups = columns / size;
      var dense = (GroupQuantized) start.dense();
      startScale = dense.scales().toFloats();
      weight = start.decode();
      logScale = Matrix.zeros(rows, groups);
      zero = Matrix.zeros(rows, groups);
      for (int g = 0; dense.zeros() != null && g < zero.values().length; g++) {
        zero.values()[g] = dense.zeros()[g];
      }
      double rate = settings.learningRate() * meanStep();
      weightSteps = new Adam(weight, rate, settings.weightDecay());
      scaleSteps = new Adam(logScale, settings.scaleRate());
      zeroSteps = new Adam(zero, dense.zeros() == null ? 0 : ZERO_PACE * settings.scaleRate());
    }

    /** Of the groups that are kept and not all zero. */
    private double meanStep() {
      double sum = 0;
      int count = 0;
      for (int row = 0; row < rows; row++) {
        for (int g = 0; g < groups; g++) {
          boolean any = false;
          for (int j = g * size; j < (g + 1) * size; j++) {
            any |= weight.at(row, j) != 0;
          }
          sum += any ? Math.abs(startScale[row * groups + g]) : 0;
          count += any ? 1 : 0;
        }
      }
      return count == 0 ? 1 : sum / count;
    }

    /** As it will be stored. */
    private float scale(int group) {
      return grid.stored(startScale[group] * (float) Math.exp(logScale.values()[group]));
    }

    private int zero(int group) {
      return Math.clamp(Math.round(zero.values()[group]), scheme.min(), scheme.max());
    }

    /**
     * {@code V}.
     *
     * @param target {@code [out * in]}
     */
    void values(float[] target) {
      Parallel.forEach(
          rows,
          row -> {
            for (int g = 0; g < groups; g++) {
              int group = row * groups + g;
              int from = row * columns + g * size;
              boolean kept = mask.keeps(row, g * size);
              float s = scale(group);
              int z = zero(group);
              for (int at = from; at < from + size; at++) {
                target[at] = kept ? s * steps(at, s, z) : 0;
              }
            }
          });
    }

    /** {@code q - z'}. */
    private float steps(int at, float s, int z) {
      float nearest = (float) Math.rint(weight.values()[at] / s);
      // Codes have no negative zero.
      return Math.clamp(nearest + 0f, scheme.min() - z, scheme.max() - z);
    }

    /**
     * The gradients of a loss.
     *
     * @param ofValues its gradient by {@code V}, {@code [out * in]}
     */
    void differentiate(float[] ofValues) {
      Parallel.forEach(
          rows,
          row -> {
            for (int g = 0; g < groups; g++) {
              if (mask.keeps(row, g * size)) {
                differentiate(row * groups + g, row * columns + g * size, ofValues);
              }
            }
          });
    }

    private void differentiate(int group, int from, float[] ofValues) {
      float s = scale(group);
      int z = zero(group);
      double ofScale = 0;
      double ofZero = 0;
      for (int at = from; at < from + size; at++) {
        float exact = weight.values()[at] / s;
        float steps = steps(at, s, z);
        boolean clamped = steps != (float) Math.rint(exact);
        weightSteps.gradient().values()[at] = clamped ? 0 : ofValues[at];
        ofScale += ofValues[at] * (clamped ? steps : steps - exact);
        ofZero -= clamped ? ofValues[at] * s : 0;
      }
      scaleSteps.gradient().values()[group] = (float) (s * ofScale);
      zeroSteps.gradient().values()[group] = (float) ofZero;
    }

    float[] gradientOfWeights() {
      return weightSteps.gradient().values();
    }

    float[] gradientOfLogScales() {
      return scaleSteps.gradient().values();
    }

    float[] gradientOfZeros() {
      return zeroSteps.gradient().values();
    }

    /** A step of AdamW against a gradient by {@code V}, at a share of the learning rates. */
    void step(float[] ofValues, double share) {
      differentiate(ofValues);
      weightSteps.step(share);
      scaleSteps.step(share);
      zeroSteps.step(share);
      for (int g = 0; g < zero.values().length; g++) {
        // No further out than the codes there are: it would have to come back again.
        zero.values()[g] = Math.clamp(zero.values()[g], scheme.min(), scheme.max());
      }
    }

    /** {@code V} in codes, with the zeros of the start. */
    Sparse stored() {
      var codes = new byte[rows * columns];
      var scales = new float[rows * groups];
      var zeros = scheme.symmetric() ? null : new byte[rows * groups];
      Parallel.forEach(
          rows,
          row -> {
            for (int g = 0; g < groups; g++) {
              int group = row * groups + g;
              int z = zero(group);
              scales[group] = scale(group);
              if (zeros != null) {
                zeros[group] = (byte) z;
              }
              for (int at = row * columns + g * size; at < row * columns + (g + 1) * size; at++) {
                codes[at] = (byte) (steps(at, scales[group], z) + z);
              }
            }
          });
      var all = grid.weight(rows, columns, codes, scales, zeros, null);
      return Sparse.of(all, mask, start.encoding().pattern());
    }
  }
}
