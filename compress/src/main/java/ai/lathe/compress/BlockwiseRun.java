package ai.lathe.compress;

import ai.lathe.compress.calibration.BlockCalibration;
import ai.lathe.compress.calibration.Coverage;
import ai.lathe.compress.calibration.Importance;
import ai.lathe.compress.calibration.InputScale;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Level;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.pruning.PruningMethod;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.report.LayerReport;
import ai.lathe.compress.report.WeightError;
import ai.lathe.compress.transform.BlockWeights;
import ai.lathe.compress.transform.Change;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointWriter;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.Zeros;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.TorchBlock;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Writes an artifact block by block. A block is calibrated with its original weights on what the
 * compressed blocks before it give, transformed, compressed, written, made durable and recorded;
 * then the states go on through the block <em>as it was written</em>, read back from the artifact.
 * So a run that goes on after a kill computes exactly what an uninterrupted one does.
 */
final class BlockwiseRun {

  /**
   * Weights of a matrix outside blocks that are compressed at once; such matrices have a row a
   * token and need no calibration.
   */
  private static final int CHUNK = 1 << 25;

  private final Checkpoint source;
  private final Plan plan;
  private final CheckpointWriter writer;
  private final Checkpoint written;
  private final Importance importance;
  private final Steps steps;
  private final Progress progress;

  /**
   * @param importance of inputs, where it is known beforehand
   * @param written the artifact as far as it exists, open for reading while {@code writer} goes on
   * @param steps those that are done are not done again
   */
  BlockwiseRun(
      Checkpoint source,
      Plan plan,
      Importance importance,
      CheckpointWriter writer,
      Checkpoint written,
      Steps steps,
      Progress progress) {
    this.source = source;
    this.plan = plan;
    this.importance = importance;
    this.writer = writer;
    this.written = written;
    this.steps = steps;
    this.progress = progress;
  }

  /**
   * @param states the calibration sequences, their contents yet to be embedded; empty where nothing
   *     is to be calibrated
   */
  void run(Optional<HiddenStates> states) {
    int blocks = source.config().blocks();
    // A block takes two passes over all batches and its solving, which is counted as one more pass
    // each.
    int batches = states.map(HiddenStates::batches).orElse(1);
    try (var task =
        progress.start("compressing " + blocks + " blocks", (long) batches * 3 * blocks)) {
      if (!steps.has(Address.OUTSIDE)) {
        outside();
      }
      states.ifPresent(embedded -> Layerwise.embed(written, embedded));
      for (int block = 0; block < blocks; block++) {
        task.note("block " + block);
        if (steps.has(block)) {
          task.advance(2L * batches);
        } else {
          block(block, states, task, batches);
        }
        if (states.isPresent() && block + 1 < blocks) {
          try (var compressed = TorchBlock.load(written, block)) {
            Layerwise.advance(compressed, states.get(), task);
          }
        }
        source.release(block);
        written.release(block);
      }
    }
  }

  private void block(int block, Optional<HiddenStates> states, Progress.Task task, long steps) {
    var addresses = plan.block(block).stream().map(Plan.Entry::address).toList();
    var statistics =
        importance.in(addresses, states.map(s -> statistics(block, s, task)).orElse(Map.of()));
    var weights = new BlockWeights(source, block, statistics, plan.treatments(block));
    var changes = new ArrayList<Change>();
    for (var transform : plan.transforms()) {
      changes.addAll(transform.apply(weights));
    }
    record(block, changes, compress(block, weights, states, task));
    task.advance(steps);
  }

  private Map<Site, LayerStatistics> statistics(
      int block, HiddenStates states, Progress.Task task) {
    var required = plan.requires(block, source.architecture());
    try (var original = TorchBlock.load(source, block)) {
      return BlockCalibration.collect(original, states, required, task);
    }
  }

  /** Compresses and writes everything of a block, its vectors too. */
  private List<LayerReport> compress(
      int block, BlockWeights weights, Optional<HiddenStates> states, Progress.Task task) {
    var transformed = weights.view();
    writeVectors(block, transformed);
    var reports = new ArrayList<LayerReport>();
    var together =
        states
            .map(inputs -> BlockSolutions.of(plan.block(block), weights, inputs, task))
            .orElse(BlockSolutions.NONE);
    for (var entry : plan.block(block)) {
      if (entry.level().isEmpty()) {
        writer.write(entry.address(), converted(entry, transformed));
        continue;
      }
      long start = System.nanoTime();
      var weight = weights.weight(entry.address());
      var statistics = weights.statistics(entry.address());
      var level = entry.level().get();
      var coverage = Coverage.of(entry.address(), entry.columns(), level.requires(), statistics);
      var layer = weights.layer(entry.address(), weight);
      var solution =
          together
              .solution(entry.address())
              .orElseGet(() -> level.solve(layer, coverage.statistics()))
              .in(entry.encoding());
      long took = System.nanoTime() - start + together.nanoseconds(entry.address());
      writer.write(
          entry.address(), InputScale.calibrated(entry.name(), solution.weight(), statistics));
      if (level.config().shiftsBias()) {
        writeBias(entry.address(), transformed, solution);
      }
      double error = error(weight, solution, statistics);
      boolean calibrated = statistics.gram().isPresent();
      var fallbacks =
          Stream.concat(coverage.note().stream(), solution.fallbacks().stream()).toList();
      double sparsity = sparsity(level, solution.weight());
      reports.add(report(entry, sparsity, error, calibrated, took, fallbacks));
    }
    return reports;
  }

  private void writeBias(Address matrix, Checkpoint from, Solution solution) {
    var bias = from.vector(matrix.bias()).orElseThrow();
    if (solution.shift().isEmpty()) {
      writer.write(matrix.bias(), bias);
      return;
    }
    var values = bias.toFloats();
    for (int i = 0; i < values.length; i++) {
      values[i] += solution.shift().get()[i];
    }
    var shifted = Tensor.ofFloats(values, values.length).to(bias.dtype(), Arena.ofAuto());
    requireFinite(source.name(matrix) + "'s bias", shifted);
    writer.write(matrix.bias(), shifted);
  }

  /** Of the outputs where inputs are known, relative; else of the weights. */
  private static double error(Matrix weight, Solution solution, LayerStatistics statistics) {
    if (statistics.gram().isEmpty()) {
      return WeightError.of(weight, solution.weight()).relative();
    }
    var gram = statistics.gram().get();
    if (solution.shift().isEmpty()) {
      return OutputError.relative(weight, solution.weight(), gram);
    }
    // A bias makes up for the mean of the error.
    var centred = statistics.centred().flatMap(LayerStatistics::gram).orElseThrow();
    double share = OutputError.energy(weight, centred) / OutputError.energy(weight, gram);
    return share * OutputError.relative(weight, solution.weight(), centred);
  }

  private void writeVectors(int block, Checkpoint from) {
    var shifted =
        plan.block(block).stream()
            .filter(entry -> entry.level().filter(level -> level.config().shiftsBias()).isPresent())
            .map(entry -> entry.address().bias())
            .collect(Collectors.toSet());
    for (var address : source.addresses()) {
      if (address.block() == block
          && address.isVector(source.architecture())
          && !shifted.contains(address)) {
        from.vector(address).ifPresent(vector -> writer.write(address, vector));
      }
    }
  }

  /** What is outside blocks needs no calibration. */
  private void outside() {
    writeVectors(Address.OUTSIDE, source);
    var reports = new ArrayList<LayerReport>();
    for (var entry : plan.block(Address.OUTSIDE)) {
      if (entry.level().isEmpty()) {
        writer.write(entry.address(), converted(entry, source));
      } else {
        reports.add(compressByRows(entry));
      }
    }
    record(Address.OUTSIDE, List.of(), reports);
  }

  /**
   * A matrix outside blocks, rounded some rows at a time: a vocabulary's worth of weights need not
   * fit in memory at once.
   */
  private LayerReport compressByRows(Plan.Entry entry) {
    long start = System.nanoTime();
    var stored = source.matrix(entry.address());
    int step = Math.clamp(CHUNK / entry.columns(), 1, entry.rows());
    var parts = new ArrayList<LinearWeight>();
    var fallbacks = new LinkedHashSet<String>();
    var error = new WeightError(0, 0);
    for (int from = 0; from < entry.rows(); from += step) {
      int to = Math.min(from + step, entry.rows());
      var weight = Matrix.zeros(to - from, entry.columns());
      stored.decodeRows(from, to, weight.values(), 0);
      var solution =
          entry.level().orElseThrow().solve(new Layer(entry.name(), weight), LayerStatistics.NONE);
      parts.add(solution.weight());
      fallbacks.addAll(solution.fallbacks());
      error = error.plus(WeightError.of(weight, solution.weight()));
    }
    writer.write(entry.address(), LinearWeight.stack(parts));
    long took = System.nanoTime() - start;
    return report(entry, 0, error.relative(), false, took, List.copyOf(fallbacks));
  }

  /** A matrix that stays as it is, in the type that the plan gives it. */
  private static LinearWeight converted(Plan.Entry entry, Checkpoint from) {
    var stored = from.matrix(entry.address());
    if (stored.encoding().equals(entry.encoding())) {
      if (stored instanceof Dense(Tensor tensor)) {
        requireFinite(entry.name(), tensor);
      }
      return stored;
    }
    if (!(entry.encoding() instanceof Encoding.Plain(DType type))) {
      throw new IllegalStateException(
          entry.name() + " cannot be stored as " + entry.encoding().label() + " without a solver");
    }
    var plain =
        stored instanceof Dense(Tensor tensor) ? tensor : Dense.of(stored.decode()).tensor();
    var result = plain.to(type, Arena.ofAuto());
    requireFinite(entry.name(), result);
    return new Dense(result);
  }

  /** Float16 ends at 65,504; and calibration need not meet every row of an embedding. */
  private static void requireFinite(String name, Tensor tensor) {
    var values = new float[1 << 16];
    for (long at = 0; at < tensor.elements(); at += values.length) {
      int count = (int) Math.min(values.length, tensor.elements() - at);
      tensor.copyFloats(at, values, 0, count);
      for (int i = 0; i < count; i++) {
        if (!Float.isFinite(values[i])) {
          throw new LatheException(
              name + " holds NaN, infinity or a value beyond the range of " + tensor.dtype());
        }
      }
    }
  }

  /** Exact where there is a mask; else the zeros among the values that pruning left. */
  private static double sparsity(Level<?> level, LinearWeight weight) {
    var masked = Zeros.masked(weight);
    if (masked.isPresent() || !(level.root().solver() instanceof PruningMethod<?>)) {
      return masked.map(Zeros::share).orElse(0.0);
    }
    return Zeros.counted(weight).share();
  }

  private LayerReport report(
      Plan.Entry entry,
      double sparsity,
      double error,
      boolean calibrated,
      long took,
      List<String> fallbacks) {
    var all = new ArrayList<String>();
    entry.fallback().ifPresent(all::add);
    all.addAll(fallbacks);
    return new LayerReport(
        entry.name(),
        entry.rows(),
        entry.columns(),
        entry.encoding().label(),
        plan.bytes(entry),
        8.0 * plan.bytes(entry) / entry.weights(),
        sparsity,
        error,
        calibrated,
        took / 1e9,
        all);
  }

  /** Makes a step durable, then says so in the journal. */
  private void record(int block, List<Change> changes, List<LayerReport> layers) {
    writer.flush();
    steps.add(block, changes, layers);
  }
}
