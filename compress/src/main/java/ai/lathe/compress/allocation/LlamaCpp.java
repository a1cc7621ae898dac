package ai.lathe.compress.allocation;

import ai.lathe.compress.allocation.FileType.Part;
import ai.lathe.compress.allocation.FileType.Shape;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What llama.cpp's own quantizer would give each matrix in a file of type {@code Q4_K_M} and the
 * like: the mixture that others are to be held against. The levels must be called after the types
 * that it uses. A matrix whose rows the type's blocks do not divide has at that level what {@code
 * Planner} has put in its place.
 *
 * <p>Matrices that share a level get the widest of what llama.cpp would give each.
 *
 * @param type of the file; empty for the largest that fits the budget
 * @param solver what stands before the types in the levels' names, for example {@code rtn} where
 *     they are called {@code rtn:Q4_K}; empty for nothing
 * @param groups query heads for each key head; 0 where the sizes of queries and keys tell
 */
public record LlamaCpp(String type, String solver, int groups) implements Allocator {

  static final List<String> KEYS = List.of("type", "solver", "groups");

  static LlamaCpp read(Settings given) {
    return new LlamaCpp(
        given.text("type", ""), given.text("solver", ""), given.integer("groups", 0));
  }

  public LlamaCpp {
    if (!type.isEmpty()) {
      type = FileType.named(type).name();
    }
    if (groups < 0) {
      throw new LatheException("llama.cpp's groups are a number of heads, not " + groups);
    }
  }

  @Override
  public String name() {
    return "llama.cpp";
  }

  @Override
  public boolean searches() {
    return false;
  }

  @Override
  public Result allocate(Problem problem) {
    var table = problem.table();
    var candidates =
        type.isEmpty()
            ? FileType.ALL.stream().filter(t -> lacking(table, t).isEmpty()).toList()
            : List.of(FileType.named(type));
    if (candidates.isEmpty()) {
      throw lacks(FileType.named("Q4_K_M"), lacking(table, FileType.named("Q4_K_M")));
    }
    Allocation largest = null;
    FileType chosen = null;
    long least = Long.MAX_VALUE;
    for (var candidate : candidates) {
      var allocation = allocation(table, candidate);
      long cost = allocation.cost(problem.costs());
      least = Math.min(least, cost);
      if (cost <= problem.budget() && (largest == null || cost > largest.cost(problem.costs()))) {
        largest = allocation;
        chosen = candidate;
      }
    }
    if (largest == null) {
      throw new LatheException(
          "llama.cpp's %s costs %,d, more than the budget of %,d"
              .formatted(type.isEmpty() ? "smallest file type" : type, least, problem.budget()));
    }
    return new Result(
        largest,
        Losses.sum(problem, largest),
        Double.NaN,
        List.of(),
        List.of("as llama.cpp's " + chosen.name()));
  }

  /**
   * Of {@link #type}, whatever it costs.
   *
   * @throws LatheException where levels are missing, or the type is empty
   */
  public Allocation allocation(LevelTable table) {
    return allocation(table, FileType.named(type));
  }

  private Allocation allocation(LevelTable table, FileType file) {
    var lacking = lacking(table, file);
    if (!lacking.isEmpty()) {
      throw lacks(file, lacking);
    }
    var shape = shape(table);
    return Allocation.of(
        table.units().stream()
            .mapToInt(
                unit ->
                    unit.options().size() == 1
                        ? 0
                        : types(unit, file, shape).stream()
                            .mapToInt(type -> option(unit, type))
                            .max()
                            .orElseThrow())
            .toArray());
  }

  /** Levels that a file type needs, and some unit does not have. */
  private List<String> lacking(LevelTable table, FileType file) {
    var shape = shape(table);
    var lacking = new LinkedHashSet<String>();
    for (var unit : table.units()) {
      if (unit.options().size() > 1) {
        types(unit, file, shape).stream()
            .filter(type -> option(unit, type) < 0)
            .forEach(type -> lacking.add(level(type)));
      }
    }
    return List.copyOf(lacking);
  }

  private LatheException lacks(FileType file, List<String> levels) {
    return new LatheException(
        "llama.cpp's %s needs levels that the database does not hold for every layer: %s"
            .formatted(file.name(), String.join(", ", levels)));
  }

  private String level(String type) {
    return solver.isEmpty() ? type : solver + ":" + type;
  }

  /** Options are in ascending order of bytes, so that of several the last is the widest. */
  private int option(Unit unit, String type) {
    return IntStream.range(0, unit.options().size())
        .filter(option -> unit.options().get(option).level().equals(level(type)))
        .findFirst()
        .orElse(-1);
  }

  private static TreeSet<String> types(Unit unit, FileType file, Shape shape) {
    return unit.members().stream()
        .map(member -> file.type(part(member, shape), member.block(), shape))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static Part part(Address address, Shape shape) {
    return switch (address.role()) {
      case TOKEN_EMBEDDING -> shape.tied() ? Part.HEAD : Part.OTHER;
      case VALUE, QUERY_KEY_VALUE -> Part.VALUE;
      case KEY -> Part.KEY;
      case ATTENTION_OUTPUT -> Part.ATTENTION_OUTPUT;
      case DOWN, EXPERT_DOWN -> Part.DOWN;
      case OUTPUT -> Part.HEAD;
      default -> Part.OTHER;
    };
  }

  private Shape shape(LevelTable table) {
    var members = new ArrayList<Address>();
    table.units().forEach(unit -> members.addAll(unit.members()));
    return new Shape(
        members.stream().mapToInt(Address::block).max().orElse(0) + 1,
        members.stream().mapToInt(Address::expert).max().orElse(-1) + 1,
        members.stream().noneMatch(member -> member.role() == Role.OUTPUT),
        groups > 0 ? Optional.of(groups) : groups(table));
  }

  private static Optional<Integer> groups(LevelTable table) {
    var queries = weights(table, Role.QUERY);
    var keys = weights(table, Role.KEY);
    return queries.isPresent() && keys.isPresent()
        ? Optional.of((int) (queries.get() / keys.get()))
        : Optional.empty();
  }

  /** Of the first unit that is this alone. */
  private static Optional<Long> weights(LevelTable table, Role role) {
    return table.units().stream()
        .filter(unit -> unit.members().size() == 1 && unit.members().getFirst().role() == role)
        .map(Unit::weights)
        .findFirst();
  }
}
