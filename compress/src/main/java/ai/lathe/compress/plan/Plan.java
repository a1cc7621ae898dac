package ai.lathe.compress.plan;

import ai.lathe.compress.layer.Level;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Grid;
import ai.lathe.compress.transform.BlockTransform;
import ai.lathe.compress.transform.Treatment;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.model.checkpoint.CheckpointPlan;
import ai.lathe.tensor.Encoding;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Every matrix of a model with the encoding it will have, in order of execution.
 *
 * @param transforms of every block, in order, before its matrices are compressed
 * @param prerequisites what the transforms want to know of which inputs of a block
 * @param notes decisions that the recipe did not ask for by name, one sentence each
 */
public record Plan(
    Target target,
    List<Entry> entries,
    List<BlockTransform> transforms,
    Map<Role, Set<Statistic>> prerequisites,
    List<String> notes) {

  /**
   * One matrix.
   *
   * @param name as in Hugging Face's layout, for example {@code model.layers.0.self_attn.q_proj}
   * @param encoding how it will be stored
   * @param level what computes it; empty where its values are stored as they are
   * @param grid that the level rounds to; empty where it has none
   * @param fallback why it does not have the encoding that was asked for; empty where it has
   */
  public record Entry(
      Address address,
      String name,
      int rows,
      int columns,
      Encoding encoding,
      Optional<Level<?>> level,
      Optional<Grid> grid,
      Optional<String> fallback) {

    /** The same with one more reason why it is not as asked for. */
    Entry because(String reason) {
      var all = fallback.map(first -> first + "; " + reason).orElse(reason);
      return new Entry(address, name, rows, columns, encoding, level, grid, Optional.of(all));
    }

    /** What must be known of its input. */
    public Set<Statistic> requires() {
      var all = EnumSet.noneOf(Statistic.class);
      level.ifPresent(solver -> all.addAll(solver.requires()));
      if (encoding.calibratesInput() && level.isPresent()) {
        all.add(Statistic.INPUT_RANGE);
      }
      return all;
    }

    public long weights() {
      return (long) rows * columns;
    }
  }

  /** Matrices of one block; of {@link Address#OUTSIDE} those outside blocks. */
  public List<Entry> block(int block) {
    return entries.stream().filter(entry -> entry.address().block() == block).toList();
  }

  public Map<Address, Encoding> encodings() {
    var encodings = new LinkedHashMap<Address, Encoding>();
    entries.forEach(entry -> encodings.put(entry.address(), entry.encoding()));
    return encodings;
  }

  /** All that calibration has to collect. Empty: no calibration is needed. */
  public Set<Statistic> requires() {
    var all = EnumSet.noneOf(Statistic.class);
    entries.forEach(entry -> all.addAll(entry.requires()));
    prerequisites.values().forEach(all::addAll);
    return all;
  }

  /**
   * Whether any text must be run through the model.
   *
   * @param known what solvers need not wait for, because it comes from elsewhere
   */
  public boolean calibrates(Set<Statistic> known) {
    return prerequisites.values().stream().anyMatch(required -> !required.isEmpty())
        || entries.stream().anyMatch(entry -> !known.containsAll(entry.requires()));
  }

  /** Whether any solver weighs errors by the squared norms of inputs. */
  public boolean usesImportance() {
    return entries.stream()
        .flatMap(entry -> entry.level().stream())
        .anyMatch(level -> level.requires().contains(Statistic.INPUT_SQUARED_NORM));
  }

  /** What calibration has to collect of each input of one block. */
  public Map<Site, Set<Statistic>> requires(int block, Architecture architecture) {
    var required = new HashMap<Site, Set<Statistic>>();
    for (var entry : block(block)) {
      var site = entry.address().reads(architecture);
      var statistics = entry.requires();
      site.ifPresent(at -> statistics.addAll(prerequisites.getOrDefault(at.role(), Set.of())));
      if (site.isPresent() && !statistics.isEmpty()) {
        required
            .computeIfAbsent(site.get(), _ -> EnumSet.noneOf(Statistic.class))
            .addAll(statistics);
      }
    }
    return required;
  }

  /** What transforms have to know of the matrices of one block. */
  public Map<Address, Treatment> treatments(int block) {
    var treatments = new HashMap<Address, Treatment>();
    for (var entry : block(block)) {
      treatments.put(entry.address(), new Treatment(entry.encoding(), entry.level(), entry.grid()));
    }
    return treatments;
  }

  /**
   * Whether a solver takes inputs in another order than they are stored in, as static act-order
   * does.
   */
  public boolean ordersColumns() {
    return entries.stream()
        .flatMap(entry -> entry.level().stream())
        .anyMatch(level -> level.config().ordersColumns());
  }

  public List<String> fallbacks() {
    return entries.stream()
        .flatMap(entry -> entry.fallback().map(why -> entry.name() + ": " + why).stream())
        .toList();
  }

  /** Exact bytes of the tensors that will hold a matrix. */
  public long bytes(Entry entry) {
    return target.bytes(entry.encoding(), entry.rows(), entry.columns());
  }

  /** The artifact with every byte accounted for. */
  public CheckpointPlan outline(Path artifact, Checkpoint source) {
    return target.outline(artifact, source, encodings(), ordersColumns());
  }

  /** Bytes of all matrices. */
  public long bytes() {
    return entries.stream().mapToLong(this::bytes).sum();
  }
}
