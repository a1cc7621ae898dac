package ai.lathe.compress.database;

import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.plan.Target;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Set;

/**
 * Which layers must have one level. vLLM runs queries, keys and values as one product, gate and up
 * as another, and all experts of a block as one; a GGUF file holds the matrices of all experts as
 * one tensor.
 */
final class Fusion {

  private static final List<Set<Role>> ONE_PRODUCT =
      List.of(
          Set.of(Role.QUERY, Role.KEY, Role.VALUE),
          Set.of(Role.GATE, Role.UP),
          Set.of(Role.EXPERT_GATE, Role.EXPERT_UP, Role.EXPERT_DOWN));

  private Fusion() {}

  /** What layers that go together have in common. */
  private record Key(int block, Set<Role> roles, int expert) {}

  /**
   * @param layers in order of execution
   * @param together false for each matrix by itself, as far as files allow
   */
  static List<List<Plan.Entry>> of(List<Plan.Entry> layers, Target target, boolean together) {
    var units = new LinkedHashMap<Key, List<Plan.Entry>>();
    for (var layer : layers) {
      units
          .computeIfAbsent(key(layer.address(), target, together), _ -> new ArrayList<>())
          .add(layer);
    }
    return List.copyOf(units.values());
  }

  private static Key key(Address address, Target target, boolean together) {
    var own = Set.of(address.role());
    if (target == Target.GGUF) {
      return new Key(address.block(), own, 0);
    }
    if (!together) {
      return new Key(address.block(), own, address.expert());
    }
    return new Key(
        address.block(),
        ONE_PRODUCT.stream()
            .filter(roles -> roles.contains(address.role()))
            .findFirst()
            .orElse(own),
        0);
  }
}
