package ai.lathe.compress.database;

import ai.lathe.compress.plan.Estimate;
import ai.lathe.compress.plan.Machine;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.plan.Planner;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Architecture.ModelKind;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** What building will take, before it starts. */
record Preflight(Estimate estimate) {

  /** Of what matrix products reach, a sweep that rounds input after input has this share. */
  private static final double SWEEP = 0.25;

  static Preflight of(Checkpoint source, LevelPlans plans, List<int[]> sequences) {
    long bytes = 0;
    double solving = 0;
    for (var layer : plans.layers()) {
      for (var spec : plans.specs()) {
        var entry = plans.entry(spec.name(), layer.address());
        if (entry.isPresent()) {
          bytes += plans.bytes(entry.get());
          // A sweep, and half a product with the Gram matrix for the loss.
          solving += (1 / SWEEP + 1) * layer.rows() * layer.columns() * layer.columns();
        }
      }
    }
    solving += gradients(source, sequences);
    double rate = Machine.multiplyRate();
    var one =
        Estimate.of(
            new Plan(plans.target(), entries(source, plans), List.of(), Map.of(), List.of()),
            source,
            sequences,
            bytes,
            0);
    var time = one.time().plus(Duration.ofMillis((long) (1000 * solving / rate)));
    return new Preflight(new Estimate(one.memory(), one.disk(), time));
  }

  /** Operations of gradients by outputs: forward, forward again and back, and the head. */
  private static double gradients(Checkpoint source, List<int[]> sequences) {
    if (source.architecture().kind() != ModelKind.DECODER) {
      return 0;
    }
    long tokens = FisherFile.first(sequences).stream().mapToLong(sequence -> sequence.length).sum();
    double inBlocks = 0;
    for (var address : source.addresses()) {
      if (address.block() != Address.OUTSIDE && !address.isVector(source.architecture())) {
        var matrix = source.matrix(address);
        inBlocks += (double) matrix.rows() * matrix.columns();
      }
    }
    double head = (double) source.config().vocabulary() * source.config().hidden();
    return 2.0 * tokens * (4 * inBlocks + 3 * head);
  }

  /** One level of each layer, one that needs the most where levels differ; and the rest. */
  private static List<Plan.Entry> entries(Checkpoint source, LevelPlans plans) {
    return Planner.original(source, plans.target()).entries().stream()
        .map(
            original ->
                original.address().block() == Address.OUTSIDE
                    ? original
                    : plans.specs().stream()
                        .flatMap(spec -> plans.entry(spec.name(), original.address()).stream())
                        .max(Comparator.comparing(entry -> entry.requires().size()))
                        .orElse(original))
        .toList();
  }

  /** Throws where the machine lacks memory or disk. */
  void check(Path directory, Consumer<String> messages) {
    messages.accept(estimate.summary());
    estimate.check(directory);
  }
}
