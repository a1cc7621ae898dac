package ai.lathe.compress.report.page;

import java.util.Locale;

/** Numbers as people read them; one that is not known is a dash. */
public final class Numbers {

  private static final String[] UNITS = {"B", "kB", "MB", "GB", "TB"};
  private static final String UNKNOWN = "–";

  private Numbers() {}

  /** In powers of 1000, three digits: {@code 12.3 MB}. */
  public static String bytes(long bytes) {
    double value = bytes;
    int unit = 0;
    while (value >= 999.5 && unit < UNITS.length - 1) {
      value /= 1000;
      unit++;
    }
    int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    return fixed(value, decimals) + " " + UNITS[unit];
  }

  /** With separators: {@code 22,713,216}. */
  public static String count(long count) {
    return String.format(Locale.ROOT, "%,d", count);
  }

  public static String fixed(double value, int decimals) {
    return Double.isFinite(value)
        ? String.format(Locale.ROOT, "%." + decimals + "f", value)
        : UNKNOWN;
  }

  /** A divergence or an error: three digits; two where it is tiny. */
  public static String loss(double loss) {
    if (!Double.isFinite(loss)) {
      return UNKNOWN;
    }
    double size = Math.abs(loss);
    if (size == 0 || size >= 100) {
      return fixed(loss, 0);
    }
    return size < 1e-4
        ? String.format(Locale.ROOT, "%.1e", loss).replace("e-0", "e-")
        : fixed(loss, Math.max(0, 2 - (int) Math.floor(Math.log10(size))));
  }

  /** A rate that one wants near 1, never rounded up: 0.98996 is not 0.99. */
  public static String rate(double rate) {
    return Double.isFinite(rate) ? fixed(Math.floor(rate * 1e4 + 1e-9) / 1e4, 4) : UNKNOWN;
  }

  public static String percent(double share) {
    return Double.isFinite(share) ? fixed(100 * share, 1) + " %" : UNKNOWN;
  }

  /** How many times smaller: {@code 4.3×}. */
  public static String times(double ratio) {
    return Double.isFinite(ratio) ? fixed(ratio, ratio < 2 ? 2 : 1) + "×" : UNKNOWN;
  }

  public static String seconds(double seconds) {
    if (!Double.isFinite(seconds) || seconds < 60) {
      return fixed(seconds, 1) + " s";
    }
    long whole = Math.round(seconds);
    return whole < 3600
        ? "%d min %d s".formatted(whole / 60, whole % 60)
        : "%d h %d min".formatted(whole / 3600, whole % 3600 / 60);
  }
}
