package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.BlockSolver.Part;
import ai.lathe.compress.layer.BlockSolver.Problem;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.quantization.Gsq.Config;
import ai.lathe.compress.training.BlockBatches;
import ai.lathe.compress.training.BlockBatches.Batch;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.GroupQuantized;
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
import org.bytedeco.pytorch.Tensor;

/**
 * GSQ of one block, in the order of execution: queries and keys by themselves; values and the
 * output projection on what attention gives; the feed-forward on what the block gives. Targets are
 * what the original block gives for the same inputs, which come from the compressed blocks before
 * it; what was trained earlier stays as it is, with hard codes.
 */
final class GsqBlock implements AutoCloseable {

  private final Problem<Config> problem;
  private final List<Part<Config>> parts;
  private final Config level;
  private final Arena arena = Arena.ofShared();
  private final Map<Address, Tensor> hard = new HashMap<>();
  private final Map<Address, Solution> solutions = new LinkedHashMap<>();
  private final BlockBatches batches;

  /** A half of the block, run on a batch. */
  private interface Half {
    Tensor run(TorchBlock block, Batch batch);

    default void backward(Tensor loss) {
      loss.backward();
    }
  }

  private static final class AttentionHalf implements Half {
    @Override
    public Tensor run(TorchBlock block, Batch batch) {
      return block.attend(batch.hidden(), batch.mask());
    }

    @Override
    public void backward(Tensor loss) {
      Torch.backwardThroughAttention(loss);
    }
  }

  /** A layer in training; {@code leaf} is a view of {@code memory}. */
  private record Learner(
      Part<Config> part,
      Grouped start,
      GumbelCodes codes,
      float[] values,
      MemorySegment memory,
      Tensor leaf) {}

  GsqBlock(Problem<Config> problem, List<Part<Config>> parts) {
    this.problem = problem;
    this.parts = parts;
    this.level = parts.getFirst().config();
    long seed = 31L * level.seed() + problem.block();
    this.batches = new BlockBatches(problem.inputs(), level.batchTokens(), level.tokens(), seed);
  }

  Map<Address, Solution> solve() {
    var attention = new ArrayList<Part<Config>>();
    var feedForward = new ArrayList<Part<Config>>();
    for (var part : parts) {
      var role = part.address().role();
      if (role == Role.QUERY || role == Role.KEY) {
        settle(part, Gsq.onLayer(part.layer(), part.statistics(), part.config()));
      } else if (role.compareTo(Role.FEED_FORWARD_NORM) < 0) {
        attention.add(part);
      } else {
        feedForward.add(part);
      }
    }
    train("attention", attention, new AttentionHalf());
    var attended = new HashMap<Batch, Tensor>();
    try {
      if (!feedForward.isEmpty()) {
        attend(attended);
      }
      train(
          "feed-forward",
          feedForward,
          (block, batch) -> block.finish(batch.hidden(), attended.get(batch), batch.mask()));
    } finally {
      attended.values().forEach(Tensor::close);
    }
    return solutions;
  }

  private void settle(Part<Config> part, Solution solution) {
    solutions.put(part.address(), solution);
    var weight = solution.weight().decode();
    hard.put(
        part.address(),
        Torch.owned(() -> Torch.ofFloats(weight.values(), weight.rows(), weight.columns())));
  }

  private void attend(Map<Batch, Tensor> attended) {
    var block = problem.original().with(hard);
    for (var batch : batches.all()) {
      attended.put(batch, Torch.owned(() -> block.attend(batch.hidden(), batch.mask())));
    }
  }

  private void train(String name, List<Part<Config>> layers, Half half) {
    if (layers.isEmpty()) {
      return;
    }
    var targets = new HashMap<Batch, Tensor>();
    var learners = new ArrayList<Learner>();
    var starts = new HashMap<Part<Config>, Solution>();
    try {
      for (var batch : batches.all()) {
        targets.put(batch, Torch.owned(() -> original(half, batch)));
      }
      for (var part : layers) {
        var start = noted(Gsq.start(part.layer(), part.statistics(), part.config()));
        starts.put(part, start);
        settle(part, start);
        learners.add(learner(part, (GroupQuantized) start.weight()));
      }
      double before = loss(half, targets);
      steps(name, learners, half, targets);
      for (var learner : learners) {
        replace(learner, learner.codes().hard(), starts.get(learner.part()).fallbacks());
      }
      double after = loss(half, targets);
      if (!(after < before)) {
        for (var learner : learners) {
          var notes = new ArrayList<>(starts.get(learner.part()).fallbacks());
          notes.add(
              "GSQ did not improve the %s on inputs kept apart; GPTQ's result is kept"
                  .formatted(name));
          replace(learner, learner.start(), notes);
        }
      }
    } finally {
      targets.values().forEach(Tensor::close);
      learners.forEach(learner -> learner.leaf().close());
    }
  }

  private Solution noted(Solution start) {
    if (!batches.sameText()) {
      return start;
    }
    var notes = new ArrayList<>(start.fallbacks());
    notes.add("GSQ trained and validated on the same text: there is one batch of it");
    return new Solution(start.weight(), notes);
  }

  private void replace(Learner learner, Grouped codes, List<String> notes) {
    var part = learner.part();
    hard.remove(part.address()).close();
    settle(part, new Solution(codes.store(part.config().grid()), notes));
  }

  private Learner learner(Part<Config> part, GroupQuantized start) {
    var weight = Grouped.of(start);
    var codes =
        new GumbelCodes(weight, part.config().grid(), Gsq.seed(part.layer(), part.config()));
    int count = weight.rows() * weight.columns();
    var memory = arena.allocate((long) count * Float.BYTES, 64);
    var leaf =
        Torch.owned(
            () -> Torch.view(memory, weight.rows(), weight.columns()).set_requires_grad(true));
    return new Learner(part, weight, codes, new float[count], memory, leaf);
  }

  private void steps(String name, List<Learner> learners, Half half, Map<Batch, Tensor> targets) {
    var leaves = new HashMap<>(hard);
    learners.forEach(learner -> leaves.put(learner.part().address(), learner.leaf()));
    var block = problem.original().with(leaves);
    var random = new Random(level.seed());
    var order = new ArrayList<Batch>();
    for (int step = 0; step < level.steps(); step++) {
      if (order.isEmpty()) {
        order.addAll(batches.training());
        Collections.shuffle(order, random);
      }
      if (step % 10 == 0) {
        problem
            .task()
            .note(
                "block %d, %s, step %d of %d"
                    .formatted(problem.block(), name, step, level.steps()));
      }
      var batch = order.removeLast();
      var moment = Gsq.moment(step, level.steps());
      for (var learner : learners) {
        learner.codes().soft(moment, learner.values());
        MemorySegment.copy(
            learner.values(),
            0,
            learner.memory(),
            ValueLayout.JAVA_FLOAT,
            0,
            learner.values().length);
      }
      try (var _ = new PointerScope();
          var _ = new AutoGradMode(true)) {
        half.backward(batch.squared(half.run(block, batch), targets.get(batch)));
        for (var learner : learners) {
          var gradient = learner.leaf().grad();
          // That of an expert without tokens is undefined.
          if (gradient.defined()) {
            Torch.copy(gradient, learner.values(), 0);
            gradient.zero_();
            learner.codes().update(moment, Gsq.rates(step, level.steps(), level), learner.values());
          }
        }
      }
    }
  }

  private Tensor original(Half half, Batch batch) {
    return half.run(problem.original(), batch);
  }

  /** Squared error of the block with hard codes, over the batches kept apart. */
  private double loss(Half half, Map<Batch, Tensor> targets) {
    var block = problem.original().with(hard);
    double sum = 0;
    for (var batch : batches.validation()) {
      try (var _ = new PointerScope()) {
        sum += batch.squared(half.run(block, batch), targets.get(batch)).item_double();
      }
    }
    return sum;
  }

  @Override
  public void close() {
    hard.values().forEach(Tensor::close);
    batches.close();
    arena.close();
  }
}
