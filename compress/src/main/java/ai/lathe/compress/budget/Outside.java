package ai.lathe.compress.budget;

import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.plan.Planner;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.block.BlockTypes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * How matrices outside blocks are stored, of which no level database has losses. A directory leaves
 * them as they are. A GGUF file treats them as llama.cpp's own quantizer does beside layers of
 * about as many bits.
 *
 * @param base every matrix as it is stored where no unit speaks of it
 * @param least bits per weight of the units for which it is meant
 */
public record Outside(Plan base, double least) {

  /** A type with the bits per weight of layers from which on it is taken. */
  private static final Map<String, Double> TYPES = Map.of("Q4_K", 0.0, "Q8_0", 6.6);

  /** More than Q8_0's 8.5: what is beyond is layers that stay as they are. */
  private static final double ORIGINAL = 8.6;

  /** In descending order of bits. */
  public static List<Outside> of(Checkpoint source, Target target) {
    var original = Planner.original(source, target);
    if (target != Target.GGUF) {
      return List.of(new Outside(original, 0));
    }
    var all = new ArrayList<Outside>();
    all.add(new Outside(original, ORIGINAL));
    TYPES.entrySet().stream()
        .sorted(Map.Entry.<String, Double>comparingByValue().reversed())
        .forEach(
            type -> all.add(new Outside(with(original, source, type.getKey()), type.getValue())));
    return all;
  }

  private static Plan with(Plan original, Checkpoint source, String type) {
    var recipe = Recipe.gguf("rtn", BlockTypes.named(type), Map.of());
    var quantized = Planner.plan(source, recipe, original.target());
    var entries = new ArrayList<Plan.Entry>();
    for (int i = 0; i < original.entries().size(); i++) {
      boolean outside = original.entries().get(i).address().block() == Address.OUTSIDE;
      entries.add((outside ? quantized : original).entries().get(i));
    }
    return new Plan(
        original.target(),
        entries,
        original.transforms(),
        original.prerequisites(),
        original.notes());
  }
}
