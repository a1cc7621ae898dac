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
 * @param family of methods that makes it
 */
public record Option(
    String level,
    String encoding,
    long bytes,
    double sparsity,
    Map<Measure, Double> losses,
    Family family) {

  /** What a level saves bytes by. */
  public enum Family {
    /** Fewer bits for each weight; what is left as it is, too. */
    BITS("bits"),
    /** Weights that are zero; those that are not may have fewer bits. */
    ZEROS("zeros"),
    /** Fewer parameters, in factors; these may have fewer bits. */
    FACTORS("factors");

    private final String label;

    Family(String label) {
      this.label = label;
    }

    @Override
    public String toString() {
      return label;
    }
  }

  public Option {
    losses = Map.copyOf(losses);
  }

  /** With fewer bits, or none fewer. */
  public Option(
      String level, String encoding, long bytes, double sparsity, Map<Measure, Double> losses) {
    this(level, encoding, bytes, sparsity, losses, Family.BITS);
  }
}
