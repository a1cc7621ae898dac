package ai.lathe.model.architecture;

import ai.lathe.model.architecture.Architecture.NormOrder;
import ai.lathe.model.architecture.Parameter.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A parameter of a block and all linear layers that read its output. Where nothing stands in the
 * way, feature j of the output can be divided by any {@code s_j > 0} and column j of each reader
 * multiplied by it, and the block computes the same function.
 *
 * @param producer a norm or a linear layer
 * @param consumers all that read it, in order of execution
 * @param obstacle why the function would change, in a clause; empty where it would not
 */
public record ScalingSet(Role producer, List<Role> consumers, Optional<String> obstacle) {

  /** Every output of a block that linear layers of it read, in order of execution. */
  static List<ScalingSet> of(Architecture architecture) {
    Map<Role, List<Role>> readers = new LinkedHashMap<>();
    for (var linear : architecture.linears()) {
      readers.computeIfAbsent(linear.reads(), _ -> new ArrayList<>()).add(linear.role());
    }
    return readers.entrySet().stream()
        .map(
            entry ->
                new ScalingSet(
                    entry.getKey(),
                    List.copyOf(entry.getValue()),
                    obstacle(architecture, entry.getKey())))
        .toList();
  }

  private static Optional<String> obstacle(Architecture architecture, Role producer) {
    var parameter = architecture.inner().get(producer);
    if (parameter == null) {
      return Optional.of("what they read is not a parameter of its own");
    }
    if (parameter.kind() == Kind.NORM) {
      return architecture.normOrder() == NormOrder.POST
          ? Optional.of("the residual sum reads the same norm")
          : Optional.empty();
    }
    return switch (producer) {
      // Attention mixes each feature of the values by weights that do not depend on it.
      case VALUE -> Optional.empty();
      case UP ->
          architecture.gated()
              ? Optional.empty()
              : Optional.of("an activation that is not linear stands between");
      case EXPERT_UP -> Optional.empty();
      default -> Optional.of("it is not known what stands between");
    };
  }
}
