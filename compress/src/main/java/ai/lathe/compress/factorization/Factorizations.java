package ai.lathe.compress.factorization;

import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;

/** The factorization methods there are. */
public final class Factorizations {

  private static final List<FactorizationMethod<?>> BUILT_IN =
      List.of(
          new Svd(),
          new Asvd(),
          new SvdLlm(),
          new Lord(),
          new Rocket(),
          new CoSpaDi(),
          new Monarch(),
          new Mpo(),
          new Kronecker());

  private Factorizations() {}

  /** Built-in methods, then those that third parties provide as services. */
  public static List<FactorizationMethod<?>> all() {
    var methods = new ArrayList<FactorizationMethod<?>>(BUILT_IN);
    for (var method : ServiceLoader.load(FactorizationMethod.class)) {
      methods.add(method);
    }
    return methods;
  }

  public static List<String> names() {
    return all().stream().map(FactorizationMethod::name).toList();
  }

  /** The method of this name; an unknown name is a {@link LatheException} with the nearest one. */
  public static FactorizationMethod<?> named(String name) {
    return all().stream()
        .filter(method -> method.name().equals(name))
        .findFirst()
        .orElseThrow(() -> LatheException.unknown("factorization", name, names()));
  }
}
