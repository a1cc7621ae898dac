package ai.lathe.compress;

import ai.lathe.compress.calibration.BlockCalibration;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Level;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.report.LayerReport;
import ai.lathe.compress.report.WeightError;
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
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.TorchBlock;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Writes an artifact block by block. A block is calibrated with its original weights on what the
 * compressed blocks before it give, compressed, written, made durable and recorded; then the states
 * go on through the block <em>as it was written</em>, read back from the artifact. So a run that
 * goes on after a kill computes exactly what an uninterrupted one does.
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
  private final Steps steps;
  private final Progress progress;

  /**
   * @param written the artifact as far as it exists, open for reading while {@code writer} goes on
   * @param steps those that are done are not done again
   */
  BlockwiseRun(
      Checkpoint source,
      Plan plan,
      CheckpointWriter writer,
      Checkpoint written,
      Steps steps,
      Progress progress) {
    this.source = source;
    this.plan = plan;
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
        record(Address.OUTSIDE, compress(Address.OUTSIDE, Map.of(), task, 0));
      }
      states.ifPresent(embedded -> Layerwise.embed(written, embedded));
      for (int block = 0; block < blocks; block++) {
        task.note("block " + block);
        if (steps.has(block)) {
          task.advance(2L * batches);
        } else {
          var statistics =
              states.isPresent()
                  ? statistics(block, states.get(), task)
                  : Map.<Site, LayerStatistics>of();
          record(block, compress(block, statistics, task, batches));
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

  private Map<Site, LayerStatistics> statistics(
      int block, HiddenStates states, Progress.Task task) {
    var required = new HashMap<Site, Set<Statistic>>();
    for (var entry : plan.block(block)) {
      var requires = entry.level().map(Level::requires).orElse(Set.of());
      if (!requires.isEmpty()) {
        entry
            .address()
            .reads(source.architecture())
            .ifPresent(
                site ->
                    required
                        .computeIfAbsent(site, _ -> EnumSet.noneOf(Statistic.class))
                        .addAll(requires));
      }
    }
    try (var original = TorchBlock.load(source, block)) {
      return BlockCalibration.collect(original, states, required, task);
    }
  }

  /** Compresses and writes everything of a block, its vectors too. */
  private List<LayerReport> compress(
      int block, Map<Site, LayerStatistics> statistics, Progress.Task task, long steps) {
    var reports = new ArrayList<LayerReport>();
    for (var address : source.addresses()) {
      if (address.block() == block && address.isVector(source.architecture())) {
        source.vector(address).ifPresent(vector -> writer.write(address, vector));
      }
    }
    for (var entry : plan.block(block)) {
      if (entry.level().isEmpty()) {
        writer.write(entry.address(), converted(entry));
        continue;
      }
      long start = System.nanoTime();
      var known =
          entry
              .address()
              .reads(source.architecture())
              .map(statistics::get)
              .orElse(LayerStatistics.NONE);
      reports.add(
          block == Address.OUTSIDE
              ? compressByRows(entry, start)
              : compressWhole(entry, known, start));
    }
    task.advance(steps);
    return reports;
  }

  private LayerReport compressWhole(Plan.Entry entry, LayerStatistics statistics, long start) {
    var weight = source.matrix(entry.address()).decode();
    var solution = entry.level().orElseThrow().solve(new Layer(entry.name(), weight), statistics);
    writer.write(entry.address(), solution.weight());
    double error =
        statistics
            .gram()
            .map(gram -> OutputError.relative(weight, solution.weight(), gram))
            .orElseGet(() -> WeightError.of(weight, solution.weight()).relative());
    return report(entry, error, statistics.gram().isPresent(), start, solution.fallbacks());
  }

  /**
   * A matrix outside blocks, rounded some rows at a time: a vocabulary's worth of weights need not
   * fit in memory at once.
   */
  private LayerReport compressByRows(Plan.Entry entry, long start) {
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
    return report(entry, error.relative(), false, start, List.copyOf(fallbacks));
  }

  /** A matrix that stays as it is, in the type that the plan gives it. */
  private LinearWeight converted(Plan.Entry entry) {
    var stored = source.matrix(entry.address());
    if (stored.encoding().equals(entry.encoding())) {
      if (stored instanceof Dense(Tensor tensor)) {
        requireFinite(entry, tensor);
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
    requireFinite(entry, result);
    return new Dense(result);
  }

  /** Float16 ends at 65,504; and calibration need not meet every row of an embedding. */
  private static void requireFinite(Plan.Entry entry, Tensor tensor) {
    var values = new float[1 << 16];
    for (long at = 0; at < tensor.elements(); at += values.length) {
      int count = (int) Math.min(values.length, tensor.elements() - at);
      tensor.copyFloats(at, values, 0, count);
      for (int i = 0; i < count; i++) {
        if (!Float.isFinite(values[i])) {
          throw new LatheException(
              entry.name()
                  + " holds NaN, infinity or a value beyond the range of "
                  + tensor.dtype());
        }
      }
    }
  }

  private static LayerReport report(
      Plan.Entry entry, double error, boolean calibrated, long start, List<String> fallbacks) {
    var all = new ArrayList<String>();
    entry.fallback().ifPresent(all::add);
    all.addAll(fallbacks);
    return new LayerReport(
        entry.name(),
        entry.rows(),
        entry.columns(),
        entry.encoding().label(),
        entry.bytes(),
        error,
        calibrated,
        (System.nanoTime() - start) / 1e9,
        all);
  }

  /** Makes a step durable, then says so in the journal. */
  private void record(int block, List<LayerReport> layers) {
    writer.flush();
    steps.add(block, layers);
  }
}
