package ai.lathe.compress.pruning.fisher;

import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * The global methods by name, and their settings by the names that recipes use, which are those of
 * {@code OBSPruningModifier}.
 */
public final class GlobalMethods {

  private static final String DAMP = "damp";
  private static final String BLOCK = "fisher_block_size";
  private static final String STEPS = "num_recomputations";

  private GlobalMethods() {}

  public static List<String> names() {
    return List.of("obert", "mfac", "cap", "fastcap");
  }

  /** Keys of all methods' settings. */
  public static List<String> keys() {
    return keys(DAMP, BLOCK, STEPS);
  }

  /** An unknown name, setting or value is a {@link LatheException}. */
  public static GlobalMethod named(String name, Sparsity sparsity, Map<String, ?> settings) {
    return switch (name) {
      case "obert" -> {
        var given = new Settings("oBERT", settings, keys(DAMP, BLOCK, STEPS));
        int block = sparsity.pattern() instanceof Pattern.Unstructured ? 50 : 32;
        yield new OBert(
            new OBert.Config(
                sparsity,
                Gathering.read(given, 256),
                damp(given),
                given.integer(BLOCK, block),
                given.integer(STEPS, 1)));
      }
      case "cap" -> {
        var given = new Settings("CAP", settings, keys(DAMP, BLOCK, STEPS));
        int block =
            sparsity.pattern() instanceof Pattern.SemiStructured(_, int of) ? 64 / of * of : 50;
        yield new Cap(
            new Cap.Config(
                sparsity,
                Gathering.read(given, 256),
                damp(given),
                given.integer(BLOCK, block),
                given.integer(STEPS, 1)));
      }
      case "fastcap" -> {
        var given = new Settings("FastCAP", settings, keys(DAMP, BLOCK));
        yield new FastCap(
            new FastCap.Config(
                sparsity,
                Gathering.read(given, 256),
                given.number(DAMP, 1e-2),
                given.integer(BLOCK, 128)));
      }
      case "mfac" -> {
        var given = new Settings("M-FAC", settings, keys(DAMP, BLOCK, STEPS));
        yield new MFac(
            new MFac.Config(
                sparsity,
                Gathering.read(given, 64),
                damp(given),
                given.integer(BLOCK, 128),
                given.integer(STEPS, 16)));
      }
      default -> throw LatheException.unknown("global pruning method", name, names());
    };
  }

  private static OptionalDouble damp(Settings given) {
    double damp = given.number(DAMP, Double.NaN);
    return Double.isNaN(damp) ? OptionalDouble.empty() : OptionalDouble.of(damp);
  }

  private static List<String> keys(String... own) {
    var keys = new ArrayList<>(Gathering.KEYS);
    keys.addAll(Arrays.asList(own));
    return keys;
  }
}
