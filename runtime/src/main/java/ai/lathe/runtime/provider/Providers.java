package ai.lathe.runtime.provider;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.emitted.EmittedProvider;
import ai.lathe.runtime.kernel.emitted.Unavailable;
import ai.lathe.runtime.kernel.layout.PlainRounding;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.runtime.kernel.vector.VectorRounding;
import ai.lathe.tensor.LatheException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Optional;

/**
 * The kernel providers of this machine. The best that can run is taken: {@code emitted}, else
 * {@code vector}, else {@code scalar}; the system property {@value #PROPERTY} takes another.
 */
public final class Providers {

  /** Names the provider to take. */
  public static final String PROPERTY = "lathe.kernels";

  private static final String VECTOR_MODULE = "jdk.incubator.vector";
  private static final Logger LOGGER = System.getLogger(Providers.class.getName());

  /**
   * One of the providers, as this machine has it.
   *
   * @param label for people
   * @param refusal why it cannot run; empty where it can
   * @param avoidable whether it would run if Java were started or the system set up differently
   */
  public record Offer(String name, String label, Optional<String> refusal, boolean avoidable) {}

  private sealed interface Attempt {
    record Runs(KernelProvider provider) implements Attempt {}

    record Refused(String reason, boolean avoidable) implements Attempt {}
  }

  /** Found out once, when they are first asked for: machine code is mapped and tested. */
  private static final class Found {
    static final KernelProvider SCALAR = new ScalarProvider();
    static final Attempt VECTOR = vector();
    static final Attempt EMITTED = emitted();
  }

  private Providers() {}

  /** The provider that {@value #PROPERTY} names; where it is not set, the best. */
  public static KernelProvider choose() {
    var name = System.getProperty(PROPERTY);
    return name == null ? best() : choose(name);
  }

  /**
   * @param name {@code scalar}, {@code vector} or {@code emitted}
   * @throws LatheException where there is none of that name, or it cannot run here
   */
  public static KernelProvider choose(String name) {
    return switch (attempt(name)) {
      case Attempt.Runs(var provider) -> provider;
      case Attempt.Refused(var reason, _) ->
          throw new LatheException("kernels '" + name + "' cannot run here: " + reason);
    };
  }

  /** The best that can run. One loud line where a better one only lacks an option of Java's. */
  public static KernelProvider best() {
    if (Found.EMITTED instanceof Attempt.Runs(var provider)) {
      return provider;
    }
    var taken = Found.VECTOR instanceof Attempt.Runs(var vector) ? vector : Found.SCALAR;
    offers().stream()
        .filter(offer -> offer.avoidable() && offer.refusal().isPresent())
        .forEach(
            offer ->
                LOGGER.log(
                    Level.WARNING,
                    "the model runs on kernels '%s', not on the faster '%s': %s"
                        .formatted(taken.name(), offer.name(), offer.refusal().get())));
    return taken;
  }

  /** All there are, the best first. */
  public static List<Offer> offers() {
    return List.of(
        offer("emitted", Found.EMITTED),
        offer("vector", Found.VECTOR),
        offer("scalar", new Attempt.Runs(Found.SCALAR)));
  }

  private static Offer offer(String name, Attempt attempt) {
    return switch (attempt) {
      case Attempt.Runs(var provider) -> new Offer(name, provider.label(), Optional.empty(), false);
      case Attempt.Refused(var reason, boolean avoidable) ->
          new Offer(name, name, Optional.of(reason), avoidable);
    };
  }

  private static Attempt attempt(String name) {
    return switch (name) {
      case "scalar" -> new Attempt.Runs(Found.SCALAR);
      case "vector" -> Found.VECTOR;
      case "emitted" -> Found.EMITTED;
      default ->
          throw LatheException.unknown("kernels", name, List.of("scalar", "vector", "emitted"));
    };
  }

  /** The vector provider's classes are only touched, hence loaded, where its module can be read. */
  private static Attempt vector() {
    var module = ModuleLayer.boot().findModule(VECTOR_MODULE);
    return module.isPresent() && Providers.class.getModule().canRead(module.get())
        ? new Attempt.Runs(new VectorProvider())
        : new Attempt.Refused("start java with --add-modules " + VECTOR_MODULE, true);
  }

  private static Attempt emitted() {
    try {
      return new Attempt.Runs(
          Found.VECTOR instanceof Attempt.Runs(var vector)
              ? EmittedProvider.open(vector, VectorRounding::new)
              : EmittedProvider.open(Found.SCALAR, PlainRounding::new));
    } catch (Unavailable e) {
      return new Attempt.Refused(e.getMessage(), e.avoidable());
    }
  }
}
