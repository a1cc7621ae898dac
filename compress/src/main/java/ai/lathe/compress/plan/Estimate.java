package ai.lathe.compress.plan;

import ai.lathe.compress.layer.Statistic;
import ai.lathe.model.Address;
import ai.lathe.model.ModelConfig;
import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
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
   * @param states bytes of the hidden states that stay in memory
   * @param disk bytes of the artifact and of hidden states that do not fit in memory
   * @param calibrated tokens
   * @param measured tokens, each run through two models
   * @param flops what this machine's matrix products reach, in operations a second
   */
  public static Estimate of(
      Plan plan,
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
    boolean grams = plan.requires().contains(Statistic.GRAM);
    long hidden = config.hidden();
    long wide = config.feedForward();
    // Float64 sums of four inputs a block; of the largest also the float32 matrix and its factor.
    long statistics = grams ? 8 * (3 * hidden * hidden + wide * wide) + 8 * wide * wide : 0;
    long batch = (long) batchTokens * Math.max(wide, hidden) * COPIES_OF_A_BATCH * Float.BYTES;
    // A block in float32, its largest layer three times more (weights, permuted weights, errors),
    // and the embedding.
    long solving = 4 * largestBlock + 13 * Math.min(largest, largestBlock) + statistics;
    long memory =
        BASE_MEMORY
            + states
            + batch
            + Math.max(solving + 4 * outside, 4 * (outside + 2 * largestBlock));

    double all = plan.entries().stream().mapToLong(Plan.Entry::weights).sum();
    double inBlocks = all - outside;
    double operations = 2 * 2 * inBlocks * calibrated + 2 * 2 * all * measured;
    if (grams) {
      for (var entry : plan.entries()) {
        double columns = entry.columns();
        operations +=
            entry.level().isPresent() && entry.address().block() >= 0
                ? columns * columns * (entry.rows() + columns)
                : 0;
      }
      operations +=
          config.blocks() * 2.0 * calibrated * (3.0 * hidden * hidden + (double) wide * wide);
    }
    return new Estimate(memory, disk, Duration.ofMillis((long) (1000 * operations / flops) + 2000));
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
