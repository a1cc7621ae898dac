package ai.lathe.cli;

import java.util.Locale;

/** Spans of time as people say them. */
final class Durations {

  private Durations() {}

  /** {@code 0.42 s}, {@code 12 s}, {@code 3 min 20 s}, {@code 2 h 05 min}. */
  static String of(long nanoseconds) {
    double seconds = nanoseconds / 1e9;
    if (seconds < 10) {
      return String.format(Locale.ROOT, seconds < 1 ? "%.2f s" : "%.1f s", seconds);
    }
    long whole = Math.round(seconds);
    if (whole < 60) {
      return whole + " s";
    }
    if (whole < 3600) {
      return String.format(Locale.ROOT, "%d min %02d s", whole / 60, whole % 60);
    }
    return String.format(Locale.ROOT, "%d h %02d min", whole / 3600, whole % 3600 / 60);
  }
}
