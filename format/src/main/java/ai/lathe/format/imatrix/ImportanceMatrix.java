package ai.lathe.format.imatrix;

import ai.lathe.format.FormatException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * How strongly each input of a model's matrices was excited by some text.
 *
 * @param entries by GGUF tensor name, for example {@code blk.0.attn_q.weight}
 * @param datasets names of the texts
 * @param chunkCount sequences
 * @param chunkSize tokens of a sequence; 0 where the file does not say
 */
public record ImportanceMatrix(
    Map<String, Entry> entries, List<String> datasets, int chunkCount, int chunkSize) {

  public ImportanceMatrix {
    entries = Collections.unmodifiableMap(new LinkedHashMap<>(entries));
    datasets = List.copyOf(datasets);
  }

  /**
   * What one tensor's inputs were, of one matrix or of several that stand in one tensor (experts).
   *
   * @param sums of squares, {@code [matrices, in]}
   * @param counts tokens of each matrix; one number for all of them in files from before experts
   *     were counted
   */
  public record Entry(float[] sums, float[] counts) {

    public Entry {
      if (sums.length == 0 || counts.length == 0 || sums.length % counts.length != 0) {
        throw new FormatException(
            "%d sums of squares do not belong to %d counts".formatted(sums.length, counts.length));
      }
      requireCountable(sums, "sum of squares");
      requireCountable(counts, "count");
    }

    private static void requireCountable(float[] values, String what) {
      for (float value : values) {
        if (!(value >= 0 && value < Float.POSITIVE_INFINITY)) {
          throw new FormatException(
              "a %s is a finite number from 0 up, not %s".formatted(what, value));
        }
      }
    }

    /** Whether it is of this many matrices with this many inputs. */
    public boolean fits(int matrices, int columns) {
      return sums.length == (long) matrices * columns
          && (counts.length == 1 || counts.length == matrices);
    }

    /**
     * Mean square of each input of a matrix, {@code [in]}; empty where no token came its way.
     *
     * @param matrices that it {@link #fits}
     */
    public Optional<float[]> meanSquares(int matrix, int matrices) {
      float count = counts[counts.length == 1 ? 0 : matrix];
      if (count == 0) {
        return Optional.empty();
      }
      int columns = sums.length / matrices;
      var means = new float[columns];
      for (int j = 0; j < columns; j++) {
        means[j] = sums[matrix * columns + j] / count;
      }
      return Optional.of(means);
    }
  }
}
