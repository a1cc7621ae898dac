package ai.lathe.compress.search;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * What of an allocation matters up to which point of a run. Stage 0 is the embedding, stage {@code
 * b + 1} block {@code b}; the head comes after the last.
 */
final class Stages {

  private final LevelTable table;
  private final int blocks;
  private final boolean tied;
  private final Map<Address, Integer> units = new HashMap<>();

  /** Units in the order of the stages in which they first matter. */
  private final int[] order;

  /** How many of {@link #order} matter up to each stage. */
  private final int[] ends;

  Stages(LevelTable table, Checkpoint model) {
    this.table = table;
    this.blocks = model.config().blocks();
    this.tied =
        model.architecture().has(Role.OUTPUT)
            && !model.addresses().contains(Address.weight(Role.OUTPUT));
    var first = new int[table.units().size()];
    for (int unit = 0; unit < first.length; unit++) {
      first[unit] = blocks + 1;
      for (var member : table.units().get(unit).members()) {
        units.put(member, unit);
        first[unit] = Math.min(first[unit], stage(member));
      }
    }
    order =
        IntStream.range(0, first.length)
            .boxed()
            .sorted(Comparator.comparingInt(unit -> first[unit]))
            .mapToInt(Integer::intValue)
            .toArray();
    ends = new int[blocks + 1];
    for (int stage = 0; stage <= blocks; stage++) {
      int until = stage;
      ends[stage] = (int) IntStream.of(first).filter(s -> s <= until).count();
    }
  }

  private int stage(Address member) {
    if (member.block() != Address.OUTSIDE) {
      return member.block() + 1;
    }
    return member.role() == Role.OUTPUT && !tied ? blocks + 1 : 0;
  }

  /** The last one before the head. */
  int last() {
    return blocks;
  }

  /** What two allocations must have in common to have the same states after a stage. */
  List<Integer> prefix(Allocation allocation, int stage) {
    var prefix = new ArrayList<Integer>(ends[stage]);
    for (int i = 0; i < ends[stage]; i++) {
      prefix.add(allocation.choice(order[i]));
    }
    return prefix;
  }

  /** The level that an allocation gives a matrix; empty where it is no unit's. */
  Optional<String> level(Allocation allocation, Address address) {
    return Optional.ofNullable(units.get(address))
        .map(unit -> allocation.option(table, unit).level());
  }

  /** The matrix whose weight the head has. */
  Address head() {
    return Address.weight(tied ? Role.TOKEN_EMBEDDING : Role.OUTPUT);
  }

  /** Everything as it was. */
  Allocation original() {
    return new Allocation(table.units().stream().map(unit -> unit.options().size() - 1).toList());
  }
}
