package ai.lathe.compress.pruning;

import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;

/** The layer-wise pruning methods there are. */
public final class Pruners {

  private static final List<PruningMethod<?>> BUILT_IN =
      List.of(
          new RandomPruning(),
          new Magnitude(),
          new Wanda(),
          new SparseGpt(),
          new Slim(),
          new Gqsa(),
          new Armor(),
          new Constant());

  private Pruners() {}

  /** Built-in methods, then those that third parties provide as services. */
  public static List<PruningMethod<?>> all() {
    var methods = new ArrayList<PruningMethod<?>>(BUILT_IN);
    for (var method : ServiceLoader.load(PruningMethod.class)) {
      methods.add(method);
    }
    return methods;
  }

  public static List<String> names() {
    return all().stream().map(PruningMethod::name).toList();
  }

  /** The method of this name; an unknown name is a {@link LatheException} with the nearest one. */
  public static PruningMethod<?> named(String name) {
    return all().stream()
        .filter(method -> method.name().equals(name))
        .findFirst()
        .orElseThrow(() -> LatheException.unknown("pruning method", name, names()));
  }
}
