package ai.lathe.compress.allocation;

import java.util.Map;

/**
 * A level that a unit may be given.
 *
 * @param level by the name that it was asked for, for example {@code W4A16}
 * @param encoding how it is stored, for tables and reports
 * @param bytes exactly those that will be written, scales and masks included
 * @param sparsity share of zeros
 * @param losses by measure; some are not taken of every database
 */
public record Option(
    String level, String encoding, long bytes, double sparsity, Map<Measure, Double> losses) {

  public Option {
    losses = Map.copyOf(losses);
  }
}
