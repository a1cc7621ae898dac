package ai.lathe.compress.plan;

import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.measure.Executor;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Experts;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.LatheException;
import ai.lathe.torch.GramAccumulator;
import ai.lathe.torch.HiddenStates;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * What a run will take, computed before it starts. Memory and time are estimates to about a
 * quarter; the artifact's bytes are exact but for headers.
 *
 * @param memory bytes held at the peak
 * @param disk bytes written, hidden states that do not fit in memory included
 */
public record Estimate(long memory, long disk, Duration time) {

  /** The virtual machine, its code, LibTorch and their buffers. */
  private static final long BASE_MEMORY = 700L << 20;

  /**
   * Temporaries of a forward pass, for each token of a batch and each feature of its widest layer.
   */
  private static final int COPIES_OF_A_BATCH = 6;

  /**
   * Of a run whose states are {@link Executor#states}.
   *
   * @param disk bytes of what is written
   * @param measured tokens, each run through two models
   */
  public static Estimate of(
      Plan plan, Checkpoint source, List<int[]> calibration, long disk, long measured) {
    long states = HiddenStates.bytes(calibration, source.config().hidden());
    boolean spills = states > Executor.STATES_IN_MEMORY;
    return of(
        plan,
        source.architecture(),
        source.config(),
        spills ? 0 : states,
        disk + (spills ? states : 0),
        Executor.BATCH_TOKENS,
        calibration.stream().mapToLong(sequence -> sequence.length).sum(),
        measured,
        Machine.multiplyRate());
  }

  /**
   * @param states bytes of the hidden states that stay in memory
   * @param disk bytes of the artifact and of hidden states that do not fit in memory
   * @param calibrated tokens
   * @param measured tokens, each run through two models
   * @param flops what this machine's matrix products reach, in operations a second
   */
  public static Estimate of(
      Plan plan,
      Architecture architecture,
      ModelConfig config,
      long states,
      long disk,
      int batchTokens,
      long calibrated,
      long measured,
      double flops) {
    long largestBlock =
        IntStream.range(0, config.blocks())
            .mapToLong(block -> weights(plan, block))
            .max()
            .orElse(0);
    long outside = weights(plan, Address.OUTSIDE);
    long largest =
        plan.entries().stream()
            .filter(entry -> entry.level().isPresent())
            .mapToLong(Plan.Entry::weights)
            .max()
            .orElse(0);
    long hidden = config.hidden();
    long wide =
        Math.max(
            IntStream.range(0, config.blocks())
                .map(block -> config.widths(block).feedForward())
                .max()
                .orElse(0),
            config.experts().map(Experts::feedForward).orElse(0));
    long statistics = 0;
    double products = 0;
    for (int block = 0; block < config.blocks(); block++) {
      var sites = grams(plan, block, architecture);
      long sums = sites.values().stream().mapToLong(GramAccumulator::bytes).sum();
      long most = sites.values().stream().mapToLong(size -> size).max().orElse(0);
      // Each as a float32 matrix with its factor, and what the largest is made of.
      statistics = Math.max(statistics, 2 * sums + 4 * most * most);
      for (var site : sites.entrySet()) {
        double size = site.getValue();
        products += size * size * calibrated * share(site.getKey().expert(), config);
      }
    }
    long batch = (long) batchTokens * Math.max(wide, hidden) * COPIES_OF_A_BATCH * Float.BYTES;
    // A block in float32, its largest layer three times more (weights, permuted weights, errors),
    // and the embedding.
    long solving = 4 * largestBlock + 13 * Math.min(largest, largestBlock) + statistics;
    long memory =
        BASE_MEMORY
            + states
            + batch
            + Math.max(solving + 4 * outside, 4 * (outside + 2 * largestBlock));

    double inBlocks = 0;
    for (var entry : plan.entries()) {
      var address = entry.address();
      if (address.block() != Address.OUTSIDE) {
        inBlocks += entry.weights() * share(address.expert(), config);
      }
    }
    double operations = 2 * 2 * inBlocks * calibrated + 2 * 2 * (inBlocks + outside) * measured;
    operations += 2 * products;
    for (var entry : plan.entries()) {
      double columns = entry.columns();
      operations += needsGram(entry) ? columns * columns * (entry.rows() + columns) : 0;
    }
    return new Estimate(memory, disk, Duration.ofMillis((long) (1000 * operations / flops) + 2000));
  }

  /** With a stage after all blocks, which holds nothing of what they needed. */
  public Estimate with(long stageMemory, double operations, double flops) {
    var longer = Duration.ofMillis((long) (1000 * operations / flops));
    return new Estimate(Math.max(memory, BASE_MEMORY + stageMemory), disk, time.plus(longer));
  }

  /** Inputs of a block whose Gram matrices are collected, and their sizes. */
  private static Map<Site, Integer> grams(Plan plan, int block, Architecture architecture) {
    var sites = new HashMap<Site, Integer>();
    for (var entry : plan.block(block)) {
      if (needsGram(entry)) {
        entry.address().reads(architecture).ifPresent(site -> sites.put(site, entry.columns()));
      }
    }
    return sites;
  }

  private static boolean needsGram(Plan.Entry entry) {
    return entry.level().filter(level -> level.requires().contains(Statistic.GRAM)).isPresent();
  }

  /** Of all tokens, those that pass through a layer. */
  private static double share(int expert, ModelConfig config) {
    return expert == Site.NO_EXPERT
        ? 1
        : config.experts().map(e -> (double) e.perToken() / e.count()).orElse(1.0);
  }

  private static long weights(Plan plan, int block) {
    return plan.block(block).stream().mapToLong(Plan.Entry::weights).sum();
  }

  /** Refuses a run that cannot end well, before it has cost anything. */
  public void check(Path artifact) {
    long freeMemory = Machine.availableMemory();
    if (memory > freeMemory) {
      throw new LatheException(
          "this run needs about %s of memory and %s are free; fewer --samples or a shorter --seq-len need less"
              .formatted(gigabytes(memory), gigabytes(freeMemory)));
    }
    long freeDisk = Machine.usableDisk(artifact);
    if (disk > freeDisk) {
      throw new LatheException(
          "this run writes %s and %s are free where %s is to stand"
              .formatted(gigabytes(disk), gigabytes(freeDisk), artifact));
    }
  }

  /** One line for people. */
  public String summary() {
    return "estimate: %s of memory, %s on disk, %s"
        .formatted(
            gigabytes(memory),
            gigabytes(disk),
            time.toMinutes() < 2 ? time.toSeconds() + " s" : time.toMinutes() + " min");
  }

  private static String gigabytes(long bytes) {
    return bytes < 100_000_000
        ? String.format(Locale.ROOT, "%.1f MB", bytes / 1e6)
        : String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
  }
}
