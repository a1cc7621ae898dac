package ai.lathe.compress.allocation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class LlamaCppTest {

  private static final List<String> TYPES = List.of("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0");
  private static final long[] EIGHTHS = {21, 27, 36, 44, 52, 68};
  private static final List<Role> ROLES =
      List.of(
          Role.QUERY, Role.KEY, Role.VALUE, Role.ATTENTION_OUTPUT, Role.GATE, Role.UP, Role.DOWN);

  /** A model of these blocks, with an untied head. */
  private static LevelTable table(int blocks, int groups, List<String> levels) {
    var units = new ArrayList<Unit>();
    units.add(unit(Address.weight(Role.TOKEN_EMBEDDING), 4096, levels));
    for (int block = 0; block < blocks; block++) {
      for (var role : ROLES) {
        boolean shared = role == Role.KEY || role == Role.VALUE;
        units.add(unit(Address.weight(block, role), shared ? 4096 / groups : 4096, levels));
      }
    }
    units.add(unit(Address.weight(Role.OUTPUT), 4096, levels));
    return new LevelTable(units);
  }

  private static Unit unit(Address address, long weights, List<String> levels) {
    return unit(List.of(address), weights, levels);
  }

  private static Unit unit(List<Address> members, long weights, List<String> levels) {
    var options = new ArrayList<Option>();
    for (int i = 0; i < TYPES.size(); i++) {
      if (levels.contains(TYPES.get(i))) {
        options.add(new Option(TYPES.get(i), "", weights * EIGHTHS[i] / 64, 0, Map.of()));
      }
    }
    options.add(new Option("dense", "", weights * 2, 0, Map.of()));
    var first = members.getFirst();
    return new Unit(first.block() + "." + first.role(), first.block(), members, weights, options);
  }

  /** Levels of the units of a role, one after the other. */
  private static String levels(LevelTable table, Allocation allocation, Role role) {
    return IntStream.range(0, table.units().size())
        .filter(unit -> table.units().get(unit).members().getFirst().role() == role)
        .mapToObj(unit -> allocation.option(table, unit).level())
        .map(level -> level.substring(1, 2))
        .collect(Collectors.joining());
  }

  private static String levels(int blocks, int groups, String type, Role role) {
    var table = table(blocks, groups, TYPES);
    return levels(table, new LlamaCpp(type, "", 0).allocation(table), role);
  }

  /** Types by block as they stand in a published gemma-3-270m of file type Q4_K_M. */
  @Test
  void q4KMIsThatOfAPublishedFile() {
    // Q8_0 and Q5_0 there: rows of 640 have no blocks of 256, and these stand for Q6_K and Q4_K.
    assertThat(levels(18, 4, "Q4_K_M", Role.VALUE)).isEqualTo("664464464464464666");
    assertThat(levels(18, 4, "Q4_K_M", Role.DOWN)).isEqualTo("664464464464464666");
    for (var role : List.of(Role.QUERY, Role.KEY, Role.ATTENTION_OUTPUT, Role.GATE, Role.UP)) {
      assertThat(levels(18, 4, "Q4_K_M", role)).isEqualTo("4".repeat(18));
    }
    assertThat(levels(18, 4, "Q4_K_M", Role.OUTPUT)).isEqualTo("6");
    assertThat(levels(18, 4, "Q4_K_M", Role.TOKEN_EMBEDDING)).isEqualTo("4");
  }

  @Test
  void otherFileTypes() {
    assertThat(levels(32, 4, "Q3_K_M", Role.VALUE)).isEqualTo("55" + "4".repeat(30));
    assertThat(levels(32, 4, "Q3_K_M", Role.DOWN)).isEqualTo("55" + "4".repeat(30));
    assertThat(levels(18, 4, "Q3_K_M", Role.DOWN)).isEqualTo("5" + "4".repeat(17));
    assertThat(levels(32, 4, "Q3_K_M", Role.ATTENTION_OUTPUT)).isEqualTo("4".repeat(32));
    assertThat(levels(32, 4, "Q3_K_M", Role.GATE)).isEqualTo("3".repeat(32));
    assertThat(levels(32, 1, "Q4_K_S", Role.VALUE)).isEqualTo("5555" + "4".repeat(28));
    assertThat(levels(32, 1, "Q4_K_S", Role.DOWN)).isEqualTo("5555" + "4".repeat(28));
    assertThat(levels(16, 1, "Q4_K_S", Role.DOWN)).isEqualTo("55" + "4".repeat(14));
    assertThat(levels(8, 1, "Q2_K", Role.VALUE)).isEqualTo("33333333");
    assertThat(levels(8, 4, "Q2_K", Role.VALUE)).isEqualTo("44444444");
    assertThat(levels(8, 3, "Q2_K", Role.DOWN)).isEqualTo("33333333");
    assertThat(levels(8, 3, "Q2_K", Role.KEY)).isEqualTo("22222222");
    assertThat(levels(80, 8, "Q3_K_S", Role.VALUE)).isEqualTo("5".repeat(80));
    assertThat(levels(80, 1, "Q3_K_S", Role.VALUE)).isEqualTo("3".repeat(80));
    assertThat(levels(8, 4, "Q8_0", Role.OUTPUT)).isEqualTo("8");
    assertThat(levels(8, 4, "Q5_K_M", Role.DOWN)).isEqualTo("65565566");
  }

  @Test
  void eightExpertsHaveWiderAttention() {
    var units = new ArrayList<>(table(4, 4, TYPES).units());
    units.removeIf(unit -> unit.name().endsWith("DOWN"));
    for (int block = 0; block < 4; block++) {
      int at = block;
      var experts =
          IntStream.range(0, 8)
              .mapToObj(expert -> Address.weight(at, expert, Role.EXPERT_DOWN))
              .toList();
      units.add(unit(experts, 32768, TYPES));
    }
    var table = new LevelTable(units);
    var allocation = new LlamaCpp("Q4_K_M", "", 0).allocation(table);
    assertThat(levels(table, allocation, Role.VALUE)).isEqualTo("8888");
    assertThat(levels(table, allocation, Role.KEY)).isEqualTo("8888");
    assertThat(levels(table, allocation, Role.ATTENTION_OUTPUT)).isEqualTo("5555");
    assertThat(levels(table, allocation, Role.EXPERT_DOWN)).isEqualTo("4466");
  }

  @Test
  void theLargestThatFits() {
    var table = table(8, 4, TYPES);
    long bytes = new LlamaCpp("Q4_K_S", "", 0).allocation(table).cost(table.bytes());
    var result = new LlamaCpp("", "", 0).allocate(problem(table, bytes));
    assertThat(result.notes()).containsExactly("as llama.cpp's Q4_K_S");
    assertThatThrownBy(() -> new LlamaCpp("Q4_K_S", "", 0).allocate(problem(table, bytes - 1)))
        .isInstanceOf(LatheException.class)
        .hasMessage(
            "llama.cpp's Q4_K_S costs %,d, more than the budget of %,d"
                .formatted(bytes, bytes - 1));
  }

  @Test
  void levelsThatAreMissingAreNamed() {
    var table = table(8, 4, List.of("Q3_K", "Q4_K"));
    assertThatThrownBy(() -> new LlamaCpp("Q4_K_M", "", 0).allocation(table))
        .isInstanceOf(LatheException.class)
        .hasMessage(
            "llama.cpp's Q4_K_M needs levels that the database does not hold for every layer: Q6_K");
    assertThatThrownBy(() -> new LlamaCpp("Q4_K_M", "rtn", 0).allocation(table))
        .hasMessageContaining("rtn:Q4_K, rtn:Q6_K");
    assertThatThrownBy(() -> new LlamaCpp("Q4_KM", "", 0))
        .hasMessageStartingWith("unknown file type of llama.cpp 'Q4_KM'; did you mean 'Q4_K_M'?");
    var fused =
        new LevelTable(
            List.of(
                unit(
                    List.of(
                        Address.weight(0, Role.QUERY),
                        Address.weight(0, Role.KEY),
                        Address.weight(0, Role.VALUE)),
                    6144,
                    TYPES)));
    assertThatThrownBy(() -> new LlamaCpp("Q2_K", "", 0).allocation(fused))
        .hasMessageContaining("give it as setting 'groups'");
    var given = new LlamaCpp("Q2_K", "", 4).allocation(fused);
    assertThat(given.option(fused, 0).level()).isEqualTo("Q4_K");
  }

  private static Problem problem(LevelTable table, long budget) {
    var losses =
        table.units().stream()
            .map(unit -> new double[unit.options().size()])
            .toArray(double[][]::new);
    return new Problem(table, table.bytes(), budget, losses, Optional.empty(), 1, Progress.NONE);
  }
}
