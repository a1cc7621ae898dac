package ai.lathe.eval;

/** A running mean and its standard error, by Welford's recurrence. */
final class Mean {

  private long count;
  private double mean;
  private double squares;

  void add(double value) {
    count++;
    double before = value - mean;
    mean += before / count;
    squares += before * (value - mean);
  }

  long count() {
    return count;
  }

  double mean() {
    return mean;
  }

  /** Of the mean, if the values are independent; 0 for fewer than two. */
  double standardError() {
    return count < 2 ? 0 : Math.sqrt(squares / count / (count - 1));
  }
}
