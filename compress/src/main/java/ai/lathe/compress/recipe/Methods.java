package ai.lathe.compress.recipe;

import ai.lathe.compress.factorization.Factorizations;
import ai.lathe.compress.factorization.module.ModeGpt;
import ai.lathe.compress.pruning.Pruners;
import ai.lathe.compress.pruning.fisher.GlobalMethods;
import ai.lathe.compress.quantization.QuantizationMethod;
import ai.lathe.compress.quantization.Quantizers;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.recipe.Modifier.Group;
import ai.lathe.compress.recipe.Modifier.Quantization;
import ai.lathe.compress.recipe.Modifier.Transform;
import ai.lathe.compress.transform.Awq;
import ai.lathe.compress.transform.BlockTransform;
import ai.lathe.compress.transform.SmoothQuant;
import ai.lathe.format.compressed.Selector;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Methods by the short names that {@code --method} takes: a quantizer ({@code gptq}), transforms
 * before it ({@code smoothquant+gptq}), or transforms alone, after which weights are rounded to
 * nearest ({@code awq}).
 */
public final class Methods {

  private static final Map<String, BlockTransform> TRANSFORMS =
      new TreeMap<>(Map.of("awq", Awq.USUAL, "smoothquant", new SmoothQuant(0.5, List.of())));

  private Methods() {}

  /** All names that may stand by themselves. */
  public static List<String> names() {
    var names = new ArrayList<>(TRANSFORMS.keySet());
    Quantizers.all().stream().map(QuantizationMethod::name).forEach(names::add);
    return names;
  }

  /**
   * All names of pruning methods: those of one layer after the other, then those of all together.
   */
  public static List<String> pruning() {
    var names = new ArrayList<>(Pruners.names());
    names.addAll(GlobalMethods.names());
    return names;
  }

  /** All names of factorization methods: those of single matrices, then that of whole blocks. */
  public static List<String> factorizations() {
    var names = new ArrayList<>(Factorizations.names());
    names.add(ModeGpt.NAME);
    return names;
  }

  /**
   * The steps of a method; an unknown name is a {@link LatheException} with the nearest one.
   *
   * @param settings of the quantizer
   */
  static List<Modifier> steps(
      String method,
      List<Group> groups,
      List<Selector> ignore,
      Optional<ScaleSearch> search,
      Map<String, Object> settings) {
    var steps = new ArrayList<Modifier>();
    var names = Arrays.asList(method.split("\\+", -1));
    for (var name : names) {
      if (!names().contains(name)) {
        throw LatheException.unknown("method", name, names());
      }
    }
    boolean rounded = TRANSFORMS.containsKey(names.getLast());
    var before = rounded ? names : names.subList(0, names.size() - 1);
    for (var name : before) {
      if (!TRANSFORMS.containsKey(name)) {
        throw new LatheException(
            "'%s' is no transform, and only transforms can stand before another method: %s"
                .formatted(name, String.join(", ", TRANSFORMS.keySet())));
      }
      steps.add(new Transform(TRANSFORMS.get(name)));
    }
    var quantizer = rounded ? "rtn" : names.getLast();
    steps.add(new Quantization(quantizer, groups, ignore, search, settings));
    return steps;
  }
}
