package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Weights become zero at random: what every other method is to be better than.
 *
 * <p>The Erdos-Renyi-kernel distribution keeps the share {@code epsilon (out + in) / (out in)} of a
 * matrix {@code [out, in]}, so that each output has about as many inputs whatever the shape; {@code
 * epsilon} is what the overall sparsity makes it. Where that would be more than all, all are kept,
 * and the others make up for it.
 *
 * @see <a href="https://arxiv.org/abs/1911.11134">Evci et al., Rigging the lottery, 2019</a>
 */
public final class RandomPruning implements MaskingMethod<RandomPruning.Config> {

  private static final String SEED = "seed";
  private static final String DISTRIBUTION = "distribution";

  /** How the zeros are shared among matrices. */
  public enum Distribution {
    /** By the sum of both sides. */
    ERK,
    /** The same share of each. */
    UNIFORM
  }

  /**
   * @param seed with which, and the layer's name, the zeros are drawn
   * @param distribution without meaning for n:m
   */
  public record Config(Sparsity sparsity, Kept kept, long seed, Distribution distribution)
      implements MaskingMethod.Config {}

  @Override
  public String name() {
    return "random";
  }

  @Override
  public Config config(Sparsity sparsity, Kept kept, Map<String, ?> settings) {
    var given = new Settings("random pruning", settings, List.of(SEED, DISTRIBUTION));
    return new Config(
        sparsity, kept, given.integer(SEED, 0), given.choice(DISTRIBUTION, Distribution.ERK));
  }

  @Override
  public List<Double> shares(List<Candidate> matrices, Sparsity sparsity, Config config) {
    return config.distribution() == Distribution.UNIFORM
            || sparsity.pattern() instanceof Pattern.SemiStructured
        ? MaskingMethod.super.shares(matrices, sparsity, config)
        : erk(matrices, sparsity);
  }

  /** Of each matrix the share that becomes zero; together exactly as many as asked for. */
  static List<Double> erk(List<Candidate> matrices, Sparsity sparsity) {
    int size = sparsity.blockSize();
    var units = matrices.stream().mapToLong(m -> (long) m.rows() * m.columns() / size).toArray();
    long all = IntStream.range(0, units.length).mapToLong(i -> units[i]).sum();
    long kept = all - Math.round(all * sparsity.share());
    var density = new double[units.length];
    var full = new boolean[units.length];
    for (boolean changed = true; changed; ) {
      double left = kept;
      double sides = 0;
      for (int i = 0; i < units.length; i++) {
        left -= full[i] ? units[i] : 0;
        sides += full[i] ? 0 : weight(matrices.get(i)) * units[i];
      }
      double epsilon = sides == 0 ? 0 : left / sides;
      changed = false;
      for (int i = 0; i < units.length; i++) {
        density[i] = full[i] ? 1 : epsilon * weight(matrices.get(i));
        if (density[i] > 1) {
          full[i] = true;
          changed = true;
        }
      }
    }
    return exactly(all - kept, units, density);
  }

  /** {@code (out + in) / (out in)}. */
  private static double weight(Candidate matrix) {
    return ((double) matrix.rows() + matrix.columns())
        / ((double) matrix.rows() * matrix.columns());
  }

  /** Rounded down, and what is missing given to those that lost most by it. */
  private static List<Double> exactly(long zeros, long[] units, double[] density) {
    var counts = new long[units.length];
    long missing = zeros;
    for (int i = 0; i < units.length; i++) {
      counts[i] = (long) (units[i] * (1 - density[i]));
      missing -= counts[i];
    }
    var order =
        IntStream.range(0, units.length)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> counts[i] - units[i] * (1 - density[i])))
            .toList();
    for (int i = 0; missing > 0; i = (i + 1) % units.length) {
      int at = order.get(i);
      if (counts[at] + 1 < units[at]) {
        counts[at]++;
        missing--;
      }
    }
    var shares = new ArrayList<Double>();
    for (int i = 0; i < units.length; i++) {
      shares.add((double) counts[i] / units[i]);
    }
    return shares;
  }

  /** Any order of the weights is as likely as any other; zeros that exist come first. */
  @Override
  public Matrix scores(Layer layer, LayerStatistics statistics, Config config) {
    var random =
        new SplittableRandom(config.seed() * 0x9E3779B97F4A7C15L + layer.name().hashCode());
    int infinity = Float.floatToRawIntBits(Float.POSITIVE_INFINITY);
    var scores = Matrix.zeros(layer.weight().rows(), layer.weight().columns());
    for (int i = 0; i < scores.values().length; i++) {
      float score = Float.intBitsToFloat(random.nextInt(1, infinity));
      scores.values()[i] = layer.weight().values()[i] == 0 ? 0 : score;
    }
    return scores;
  }
}
