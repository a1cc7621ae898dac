package ai.lathe.compress.pruning;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import java.util.Locale;
import java.util.Optional;

/**
 * How many weights of a matrix become zero, and which sets of them may.
 *
 * @param share of the weights that become zero, from 0 up to but not 1; follows from the pattern
 *     where that is n:m
 */
public record Sparsity(double share, Pattern pattern) {

  public Sparsity {
    if (!(share >= 0 && share < 1)) {
      throw new LatheException(
          "sparsity is the share of weights that become zero: from 0 up to, but not, 1 (0.5 is usual), not "
              + share);
    }
    if (pattern instanceof Pattern.SemiStructured fixed && share != fixed.sparsity()) {
      throw new LatheException(
          "%s makes a share of %s of the weights zero, and a sparsity of %s contradicts it: leave the sparsity out"
              .formatted(pattern.label(), fixed.sparsity(), share));
    }
  }

  /**
   * @param share empty where the pattern determines it; another pattern needs it
   */
  public static Sparsity of(Optional<Double> share, Pattern pattern) {
    if (share.isEmpty() && !(pattern instanceof Pattern.SemiStructured)) {
      throw new LatheException(
          "pruning needs a sparsity, for example 0.5; only n:m patterns such as 2:4 determine it");
    }
    return new Sparsity(
        share.orElseGet(() -> ((Pattern.SemiStructured) pattern).sparsity()), pattern);
  }

  /** Weights that become zero together. */
  int blockSize() {
    return pattern instanceof Pattern.Blocks(int high, int wide) ? high * wide : 1;
  }

  /** {@code 50%}, {@code 2:4}, {@code 80% 16x4}: for tables. */
  public String label() {
    var percent = String.format(Locale.ROOT, "%.4g", 100 * share).replaceAll("\\.?0+$", "") + "%";
    return switch (pattern) {
      case Pattern.SemiStructured fixed -> fixed.label();
      case Pattern.Unstructured _ -> percent;
      case Pattern.Blocks blocks -> percent + " " + blocks.label();
    };
  }
}
