package ai.lathe.bench.peers;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Rates that were measured one after the other; larger is better. */
record Samples(List<Double> rates) {

  private static final ObjectMapper JSON = new ObjectMapper();

  /** Before anything counts: classes are loaded and compiled. */
  private static final double WARM_UP_SECONDS = 3;

  static final int RUNS = 5;

  Samples {
    rates = rates.stream().sorted().toList();
    if (rates.isEmpty()) {
      throw new IllegalArgumentException("nothing was measured");
    }
  }

  /** {@code units} of work a run, several runs after a warm-up. */
  static double[] perSecond(double units, Runnable run) {
    long began = System.nanoTime();
    do {
      run.run();
    } while (System.nanoTime() - began < WARM_UP_SECONDS * 1e9);
    var rates = new double[RUNS];
    for (int i = 0; i < RUNS; i++) {
      long start = System.nanoTime();
      run.run();
      rates[i] = units * 1e9 / (System.nanoTime() - start);
    }
    return rates;
  }

  /** What {@link SideBySide} reads: the last line of standard output. */
  static void print(Map<String, double[]> measured) {
    try {
      System.out.println(JSON.writeValueAsString(measured));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  static Samples of(List<double[]> rounds) {
    return new Samples(rounds.stream().flatMapToDouble(Arrays::stream).boxed().toList());
  }

  double median() {
    return quantile(0.5);
  }

  /** The rate that a quarter of the runs reached: what a disturbed machine can do. */
  double bestQuartile() {
    return quantile(0.75);
  }

  double best() {
    return rates.getLast();
  }

  private double quantile(double share) {
    return rates.get((int) Math.min(rates.size() - 1, Math.round(share * (rates.size() - 1))));
  }
}
