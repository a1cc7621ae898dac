package ai.lathe.compress.transform;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Grid;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.ScalingSet;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * AWQ, activation-aware weight quantization: inputs that are large on average get weights on a
 * finer grid. Columns of weights are multiplied by {@code s} before they are rounded, and what
 * produces their input is divided by it; {@code s} grows with the mean magnitude of the input by
 * the exponent that loses least:
 *
 * <pre>
 *   a_j = mean |x_j|      s = a^r / sqrt(max(a^r) min(a^r))
 *   r = argmin over 0, 1/n, 2/n .. of the sum of ||(round(W s) s^-1 - W) X||^2 / ||W X||^2
 * </pre>
 *
 * summed over the layers that read the input and share {@code s}. The norms are exact over all
 * calibration tokens, by the Gram matrix: {@code ||D X||^2 = tr(D H D^T)}. The paper runs the whole
 * attention or feed-forward instead. Without the division query and key, whose outputs are large,
 * decide alone: on the small Llama that comes with Lathe, at three bits, the divergence of the
 * result was 5 % higher.
 *
 * @param steps {@code n}
 * @param clip whether, after scaling, outliers are cut from weights that are rounded to nearest
 * @param mappings sets to scale; empty for all that can be
 * @see <a href="https://arxiv.org/abs/2306.00978">Lin et al., AWQ, 2023</a>
 */
public record Awq(int steps, boolean clip, List<Mapping> mappings) implements BlockTransform {

  public static final int STEPS = 20;

  /**
   * Rows of a layer that the search for an exponent looks at, evenly spaced: one number is sought,
   * and all exponents are judged by the same rows.
   */
  private static final int ROWS = 128;

  private static final double LEAST = 1e-4;

  public Awq {
    if (steps < 1) {
      throw new LatheException("AWQ's n_grid is at least 1 (20 is usual), not " + steps);
    }
    mappings = List.copyOf(mappings);
  }

  /** The usual: 20 exponents, clipping, all sets. */
  public static final Awq USUAL = new Awq(STEPS, true, List.of());

  @Override
  public String name() {
    return "AWQ";
  }

  @Override
  public Map<Role, Set<Statistic>> requires(Checkpoint model) {
    var sites = new EnumMap<Role, Set<Statistic>>(Role.class);
    for (var set : sets(model)) {
      sites.put(set.producer(), EnumSet.of(Statistic.GRAM, Statistic.INPUT_MAGNITUDE));
    }
    if (clip) {
      for (var linear : model.architecture().linears()) {
        sites.computeIfAbsent(linear.reads(), _ -> EnumSet.of(Statistic.GRAM));
      }
    }
    if (sites.isEmpty()) {
      throw new LatheException("AWQ can do nothing for " + model.architecture().name());
    }
    return sites;
  }

  private List<ScalingSet> sets(Checkpoint model) {
    return Mapping.sets(model, mappings, _ -> true);
  }

  @Override
  public List<String> notes(Checkpoint model) {
    return Mapping.obstacles(name(), model, mappings, _ -> true);
  }

  @Override
  public List<Change> apply(BlockWeights block) {
    var changes = new ArrayList<Change>();
    for (var set : sets(block.source())) {
      for (var scaling : block.scalings(set)) {
        scale(block, scaling, changes);
      }
    }
    if (clip) {
      for (var address : block.matrices()) {
        if (address.role() != Role.QUERY && address.role() != Role.KEY) {
          clip(block, address, changes);
        }
      }
    }
    return changes;
  }

  /** A layer in the search: some of its rows, what they are rounded to, and what they read. */
  private record Inspected(Matrix weight, Grid grid, Matrix gram, double energy) {

    static Inspected of(Matrix weight, Grid grid, Matrix gram) {
      var some = rows(weight);
      double energy = OutputError.energy(some, gram);
      return new Inspected(some, grid, gram, energy > 0 ? energy : 1);
    }

    /** {@code ||(round(W s) s^-1 - W) X||^2 / ||W X||^2} */
    double loss(float[] s) {
      int columns = weight.columns();
      var scaled = weight.copy();
      for (int i = 0; i < scaled.values().length; i++) {
        scaled.values()[i] *= s[i % columns];
      }
      var difference = Rtn.round(scaled, grid).decode();
      for (int i = 0; i < scaled.values().length; i++) {
        difference.values()[i] = difference.values()[i] / s[i % columns] - weight.values()[i];
      }
      return OutputError.energy(difference, gram) / energy;
    }
  }

  private void scale(BlockWeights block, Scaling scaling, List<Change> changes) {
    var layers = new ArrayList<Inspected>();
    var sums = new double[scaling.outputs()];
    for (var consumer : scaling.consumers()) {
      var statistics = block.statistics(consumer);
      var grid = block.treatment(consumer).grid();
      if (grid.isPresent() && statistics.gram().isPresent()) {
        statistics.requireFinite(block.name(consumer));
        layers.add(Inspected.of(block.weight(consumer), grid.get(), statistics.gram().get()));
        addMagnitudes(sums, scaling, statistics);
      }
    }
    if (layers.isEmpty()) {
      return;
    }
    float[] best = null;
    int chosen = 0;
    double unscaled = 0;
    double least = Double.POSITIVE_INFINITY;
    for (int step = 0; step < steps; step++) {
      var s = scales(sums, (double) step / steps);
      var ofInputs = scaling.ofInputs(s);
      double loss = layers.stream().mapToDouble(layer -> layer.loss(ofInputs)).sum();
      if (step == 0) {
        unscaled = loss;
      }
      if (loss < least) {
        least = loss;
        best = s;
        chosen = step;
      }
    }
    if (chosen > 0) {
      block.scale(scaling, best);
    }
    changes.add(
        Change.of(
            name(),
            block,
            scaling,
            Map.of(
                "exponent",
                (double) chosen / steps,
                "loss_of_unscaled",
                unscaled > 0 ? least / unscaled : 1)));
  }

  private static void addMagnitudes(double[] sums, Scaling scaling, LayerStatistics statistics) {
    var magnitude = statistics.magnitude().orElseThrow();
    for (int j = 0; j < magnitude.length; j++) {
      sums[scaling.features()[j]] += (double) magnitude[j] * statistics.tokens();
    }
  }

  /**
   * {@code a^r}, normalised. What {@code a} is measured in does not matter.
   *
   * @param a of each input, not negative
   */
  static float[] scales(double[] a, double r) {
    double mean = Arrays.stream(a).average().orElse(0);
    var s = new float[a.length];
    double largest = 0;
    double smallest = Double.POSITIVE_INFINITY;
    for (int j = 0; j < s.length; j++) {
      s[j] = (float) Math.max(mean > 0 ? Math.pow(a[j] / mean, r) : 1, LEAST);
      largest = Math.max(largest, s[j]);
      smallest = Math.min(smallest, s[j]);
    }
    float middle = (float) Math.sqrt(largest * smallest);
    for (int j = 0; j < s.length; j++) {
      s[j] /= middle;
    }
    return s;
  }

  private static Matrix rows(Matrix weight) {
    int count = Math.min(ROWS, weight.rows());
    if (count == weight.rows()) {
      return weight;
    }
    int columns = weight.columns();
    var some = Matrix.zeros(count, columns);
    for (int i = 0; i < count; i++) {
      int row = (int) ((long) i * weight.rows() / count);
      System.arraycopy(weight.values(), row * columns, some.values(), i * columns, columns);
    }
    return some;
  }

  private static void clip(BlockWeights block, Address address, List<Change> changes) {
    var treatment = block.treatment(address);
    var gram = block.statistics(address).gram();
    if (treatment.roundedToNearest() && treatment.grid().isPresent() && gram.isPresent()) {
      var clipping = new Clipping(block.weight(address), treatment.grid().get(), gram.get());
      block.clip(address, clipping.result());
      changes.add(
          new Change(
              "AWQ clipping",
              block.producer(address),
              List.of(block.name(address)),
              Map.of("groups_clipped", clipping.share(), "loss_of_unclipped", clipping.loss())));
    }
  }
}
