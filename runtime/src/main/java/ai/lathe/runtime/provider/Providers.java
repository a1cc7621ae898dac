package ai.lathe.runtime.provider;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.emitted.EmittedProvider;
import ai.lathe.runtime.kernel.emitted.Unavailable;
import ai.lathe.runtime.kernel.layout.PlainRounding;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.sparse.SparseChoice;
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

  private static final KernelProvider SCALAR = new ScalarProvider();

  /** Found out once, when it is first asked for. */
  private static final class Vector {
    static final Attempt FOUND = vector();
  }

  /** Likewise, and apart from the other: machine code is mapped and tested, which takes time. */
  private static final class Emitted {
    static final Attempt FOUND = emitted();
  }

  /**
   * Chosen once, with a loud line for each of the others that only lacks an option of Java's or of
   * the system.
   */
  private static final class Best {
    static final KernelProvider TAKEN = takeBest();
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

  /**
   * A provider of one's own, to measure and to test it.
   *
   * @param choice which sparse weights it executes without their zeros
   */
  public static KernelProvider choose(String name, SparseChoice choice) {
    choose(name);
    try {
      return switch (name) {
        case "scalar" -> new ScalarProvider(choice);
        case "vector" -> new VectorProvider(choice);
        default ->
            Vector.FOUND instanceof Attempt.Runs
                ? EmittedProvider.open(new VectorProvider(choice), VectorRounding::new, choice)
                : EmittedProvider.open(new ScalarProvider(choice), PlainRounding::new, choice);
      };
    } catch (Unavailable e) {
      throw new LatheException("kernels '" + name + "' cannot run here: " + e.getMessage(), e);
    }
  }

  /** The best that can run. */
  public static KernelProvider best() {
    return Best.TAKEN;
  }

  private static KernelProvider takeBest() {
    // Machine code needs the vector unit's kernels beside it, so their absence matters to it too.
    offers().stream()
        .filter(offer -> offer.avoidable() && offer.refusal().isPresent())
        .forEach(
            offer ->
                LOGGER.log(
                    Level.WARNING,
                    "models run without kernels '%s', several times slower: %s"
                        .formatted(offer.name(), offer.refusal().get())));
    if (Emitted.FOUND instanceof Attempt.Runs(var provider)) {
      return provider;
    }
    return Vector.FOUND instanceof Attempt.Runs(var provider) ? provider : SCALAR;
  }

  /** All there are, the best first. */
  public static List<Offer> offers() {
    return List.of(
        offer("emitted", Emitted.FOUND),
        offer("vector", Vector.FOUND),
        offer("scalar", new Attempt.Runs(SCALAR)));
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
      case "scalar" -> new Attempt.Runs(SCALAR);
      case "vector" -> Vector.FOUND;
      case "emitted" -> Emitted.FOUND;
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
          Vector.FOUND instanceof Attempt.Runs(var vector)
              ? EmittedProvider.open(vector, VectorRounding::new)
              : EmittedProvider.open(SCALAR, PlainRounding::new));
    } catch (Unavailable e) {
      return new Attempt.Refused(e.getMessage(), e.avoidable());
    }
  }
}
