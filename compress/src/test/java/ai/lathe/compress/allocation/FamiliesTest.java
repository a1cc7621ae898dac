package ai.lathe.compress.allocation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.allocation.Option.Family;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class FamiliesTest {

  private static final Family[] FAMILIES = {Family.BITS, Family.ZEROS, Family.FACTORS, Family.BITS};
  private static final long[] BYTES = {10, 10, 10, 40};
  private static final double[][] LOSSES = {{3, 1, 2, 0}, {1, 2, 3, 0}, {2, 3, 1, 0}};

  /** Three units, each of which another family serves best; the last option is the original. */
  private static Problem problem(long budget, ToDoubleFunction<Allocation> model) {
    var units =
        IntStream.range(0, LOSSES.length)
            .mapToObj(
                unit ->
                    new Unit(
                        "unit." + unit,
                        unit,
                        List.of(Address.weight(unit, Role.UP)),
                        1000,
                        IntStream.range(0, BYTES.length)
                            .mapToObj(
                                i -> new Option("L" + i, "", BYTES[i], 0, Map.of(), FAMILIES[i]))
                            .toList()))
            .toList();
    var costs = units.stream().map(_ -> BYTES.clone()).toArray(long[][]::new);
    return new Problem(
        new LevelTable(units),
        costs,
        budget,
        LOSSES,
        Optional.of(fitness(model)),
        1,
        Progress.NONE);
  }

  private static Fitness fitness(ToDoubleFunction<Allocation> model) {
    return new Fitness() {
      @Override
      public long tokens() {
        return 100;
      }

      @Override
      public Batch draw(int tokens, RandomGenerator random) {
        assertThat(tokens).isEqualTo(100);
        return new Batch() {
          @Override
          public double loss(Allocation allocation) {
            return model.applyAsDouble(allocation);
          }

          @Override
          public void close() {}
        };
      }
    };
  }

  private static Allocator.Result solved(Problem problem) {
    return Allocators.named("families", Map.of()).allocate(problem);
  }

  @Test
  void mixesWhereLossesAddUp() {
    var found = solved(problem(30, allocation -> allocation.loss(LOSSES)));
    assertThat(found.allocation()).isEqualTo(Allocation.of(1, 0, 2));
    assertThat(found.loss()).isEqualTo(3);
  }

  @Test
  void takesOneFamilyWhereMixingHurts() {
    // Each kind beyond the first costs as much again.
    var found =
        solved(
            problem(
                30,
                allocation ->
                    allocation.loss(LOSSES)
                        + 10 * (allocation.choices().stream().distinct().count() - 1)));
    assertThat(found.allocation().choices()).containsOnly(found.allocation().choice(0));
    assertThat(found.loss()).isEqualTo(6);
    // All seven sets of three families are told of.
    assertThat(String.join("; ", found.notes()))
        .contains("bits and zeros and factors: loss 23")
        .contains("bits and factors: loss")
        .contains("zeros: loss 6");
  }

  @Test
  void choosesAmongThoseThatItIsGiven() {
    var problem = problem(30, allocation -> allocation.loss(LOSSES));
    var found = Allocators.named("families", Map.of("only", "bits+factors")).allocate(problem);
    assertThat(found.allocation()).isEqualTo(Allocation.of(2, 0, 2));
    assertThat(String.join("; ", found.notes())).doesNotContain("zeros");
    assertThatThrownBy(() -> Allocators.named("families", Map.of("only", "bits+facters")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("factors");
    var smaller = problem(20, allocation -> allocation.loss(LOSSES));
    assertThatThrownBy(() -> Allocators.named("families", Map.of()).allocate(smaller))
        .isInstanceOf(LatheException.class);
  }

  @Test
  void aFamilyAloneLeavesUnitsAsTheyAre() {
    var only =
        Families.only(problem(70, allocation -> allocation.loss(LOSSES)), EnumSet.of(Family.ZEROS));
    var found = Knapsack.USUAL.allocate(only).allocation();
    // One unit of three is small enough: the one that loses least.
    assertThat(found).isEqualTo(Allocation.of(1, 1, 3));
    assertThat(found.cost(only.costs())).isEqualTo(60);
  }
}
