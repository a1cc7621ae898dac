package ai.lathe.compress.budget;

import ai.lathe.compress.allocation.Budget;
import ai.lathe.compress.allocation.Budget.Phase;
import ai.lathe.tensor.LatheException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * A budget as the user put it.
 *
 * @param unit of a size, in which it is spoken of; of anything else what a figure is called
 * @param scale of the unit: bytes of one
 */
public record Goal(Budget budget, String unit, long scale) {

  private static final Map<String, Long> UNITS =
      Map.ofEntries(
          Map.entry("", 1L),
          Map.entry("B", 1L),
          Map.entry("kB", 1_000L),
          Map.entry("KB", 1_000L),
          Map.entry("MB", 1_000_000L),
          Map.entry("GB", 1_000_000_000L),
          Map.entry("TB", 1_000_000_000_000L),
          Map.entry("KiB", 1L << 10),
          Map.entry("MiB", 1L << 20),
          Map.entry("GiB", 1L << 30),
          Map.entry("TiB", 1L << 40));

  private static final Pattern SIZE = Pattern.compile("([0-9]+(?:\\.[0-9]+)?) ?([A-Za-z]*)");

  /** {@code 480MB}, {@code 1.2 GB}, {@code 512MiB} or a number of bytes. */
  public static Goal size(String text) {
    var form = SIZE.matcher(text.strip());
    if (!form.matches() || !UNITS.containsKey(form.group(2))) {
      throw new LatheException(
          "'%s' is no size; 480MB, 1.2GB, 512MiB or 480000000 would be".formatted(text));
    }
    long scale = UNITS.get(form.group(2));
    var bytes = new BigDecimal(form.group(1)).multiply(BigDecimal.valueOf(scale));
    if (bytes.compareTo(BigDecimal.ONE) < 0 || bytes.precision() - bytes.scale() > 18) {
      throw new LatheException("'%s' is no size that a model can have".formatted(text));
    }
    var unit = scale == 1 ? "bytes" : form.group(2);
    return new Goal(new Budget.Size(bytes.longValue()), unit, scale);
  }

  public static Goal bitsPerWeight(double bits) {
    return new Goal(
        new Budget.BitsPerWeight(positive(bits, "bits per weight")), "bits per weight", 1);
  }

  public static Goal divergence(double nats) {
    return new Goal(new Budget.Divergence(positive(nats, "a mean KL")), "KL", 1);
  }

  public static Goal acceptance(double ear) {
    if (!(ear > 0 && ear < 1)) {
      throw new LatheException("an EAR is between 0 and 1, not " + ear);
    }
    return new Goal(new Budget.Acceptance(ear), "EAR", 1);
  }

  public static Goal perplexityRatio(double ratio) {
    if (!(ratio > 1 && ratio < Double.POSITIVE_INFINITY)) {
      throw new LatheException(
          "a ratio of perplexities is above 1 (1.02 is two percent more), not " + ratio);
    }
    return new Goal(new Budget.PerplexityRatio(ratio), "perplexity ratio", 1);
  }

  /** {@code 2} or {@code 2x}. */
  public static Goal speedup(String text, Phase phase) {
    var number = text.strip().toLowerCase(Locale.ROOT).replaceFirst("x$", "");
    try {
      return new Goal(
          new Budget.Speedup(positive(Double.parseDouble(number), "a speedup"), phase), "times", 1);
    } catch (NumberFormatException e) {
      throw new LatheException("'%s' is no speedup; 2 or 1.5x would be".formatted(text));
    }
  }

  private static double positive(double value, String what) {
    if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
      throw new LatheException("%s must be above 0, not %s".formatted(what, value));
    }
    return value;
  }

  /** As reports name it. */
  public String kind() {
    return switch (budget) {
      case Budget.Size _ -> "size";
      case Budget.BitsPerWeight _ -> "bits_per_weight";
      case Budget.Divergence _ -> "kl";
      case Budget.Acceptance _ -> "ear";
      case Budget.PerplexityRatio _ -> "perplexity_ratio";
      case Budget.Speedup(_, Phase phase) -> phase == Phase.DECODE ? "speedup" : "prefill_speedup";
    };
  }

  public double value() {
    return switch (budget) {
      case Budget.Size(long bytes) -> bytes;
      case Budget.BitsPerWeight(double bits) -> bits;
      case Budget.Divergence(double nats) -> nats;
      case Budget.Acceptance(double ear) -> ear;
      case Budget.PerplexityRatio(double ratio) -> ratio;
      case Budget.Speedup(double factor, _) -> factor;
    };
  }

  /** As a person reads it. */
  public String text() {
    return spoken(value(), RoundingMode.HALF_EVEN);
  }

  /** The one line where no choice of levels comes to it. */
  UnreachableException unreachable(String database, double least, double most) {
    // Rounded inwards, so that what the line says can be had can be had.
    return new UnreachableException(
        "%s cannot be reached: the levels of %s go from %s to %s"
            .formatted(
                text(),
                database,
                spoken(least, RoundingMode.CEILING),
                spoken(most, RoundingMode.FLOOR)));
  }

  private String spoken(double value, RoundingMode rounding) {
    var exact = BigDecimal.valueOf(value).divide(BigDecimal.valueOf(scale));
    int digits = scale == 1 && budget instanceof Budget.Size ? 0 : scale == 1 ? 5 : 3;
    var number = exact.setScale(digits, rounding).stripTrailingZeros().toPlainString();
    return switch (budget) {
      case Budget.Size _, Budget.BitsPerWeight _, Budget.Speedup _ -> number + " " + unit;
      default -> unit + " " + number;
    };
  }
}
