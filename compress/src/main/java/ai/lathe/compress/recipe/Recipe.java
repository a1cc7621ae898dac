package ai.lathe.compress.recipe;

import ai.lathe.compress.recipe.Modifier.Group;
import ai.lathe.compress.recipe.Modifier.Quantization;
import ai.lathe.compress.recipe.Modifier.Settings;
import java.util.List;

/** Modifiers in order. Immutable and printable: its text is part of a run's fingerprint. */
public record Recipe(List<Modifier> modifiers) {

  public Recipe {
    modifiers = List.copyOf(modifiers);
  }

  /** One scheme for every linear layer but the head. */
  public static Recipe uniform(String method, Scheme scheme, Settings settings) {
    return new Recipe(
        List.of(
            new Quantization(
                method,
                List.of(new Group(List.of(Selector.of("Linear")), scheme)),
                List.of(Selector.of("lm_head")),
                settings)));
  }
}
