package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/** What an error weighs where a method cannot have the whole Gram matrix as its metric. */
public enum InputMetric {
  /** The same everywhere: least change of the weights. */
  PLAIN,
  /** The squared norm of its input. */
  DIAGONAL,
  /** The Gram matrix of the inputs that a block reads. */
  BLOCKS;

  Set<Statistic> requires() {
    return switch (this) {
      case PLAIN -> Set.of();
      case DIAGONAL -> Set.of(Statistic.INPUT_SQUARED_NORM);
      case BLOCKS -> Set.of(Statistic.GRAM);
    };
  }

  /** This one where the statistics have it, else the plain one, with a note. */
  InputMetric known(LayerStatistics statistics, String method, List<String> notes) {
    boolean known =
        switch (this) {
          case PLAIN -> true;
          case DIAGONAL -> statistics.squaredNorm().isPresent();
          case BLOCKS -> statistics.gram().isPresent();
        };
    if (!known) {
      notes.add("nothing is known of its inputs: %s in the plain metric".formatted(method));
    }
    return known ? this : PLAIN;
  }

  /** Of inputs {@code [from, to)}. */
  Metric of(LayerStatistics statistics, int from, int to) {
    return switch (this) {
      case PLAIN -> Metric.PLAIN;
      case DIAGONAL ->
          new Metric.Diagonal(Arrays.copyOfRange(statistics.squaredNorm().orElseThrow(), from, to));
      case BLOCKS -> {
        var gram = statistics.gram().orElseThrow();
        var block = Matrix.zeros(to - from, to - from);
        for (int i = from; i < to; i++) {
          System.arraycopy(
              gram.values(),
              i * gram.columns() + from,
              block.values(),
              (i - from) * block.columns(),
              block.columns());
        }
        yield new Metric.Full(block);
      }
    };
  }
}
