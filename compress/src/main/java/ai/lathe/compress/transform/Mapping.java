package ai.lathe.compress.transform;

import ai.lathe.format.compressed.Selector;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.ScalingSet;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * A scaling set as recipes name it.
 *
 * @param producer module that is divided ({@code smooth_layer})
 * @param consumers modules that read it ({@code balance_layers}); all of them, or the function
 *     would change
 */
public record Mapping(Selector producer, List<Selector> consumers) {

  /**
   * The sets of a model's blocks that can be scaled, all or those that mappings name.
   *
   * @param mappings empty for the usual ones
   * @param usual which those are
   */
  static List<ScalingSet> sets(
      Checkpoint model, List<Mapping> mappings, Predicate<ScalingSet> usual) {
    var all = model.architecture().scalingSets();
    if (mappings.isEmpty()) {
      return all.stream().filter(set -> set.obstacle().isEmpty()).filter(usual).toList();
    }
    return mappings.stream().map(mapping -> mapping.set(model.architecture(), all)).toList();
  }

  /** Which of the usual sets a model does not let be scaled, a sentence each. */
  static List<String> obstacles(
      String transform, Checkpoint model, List<Mapping> mappings, Predicate<ScalingSet> usual) {
    if (!mappings.isEmpty()) {
      return List.of();
    }
    var notes = new ArrayList<String>();
    for (var set : model.architecture().scalingSets()) {
      if (usual.test(set)) {
        set.obstacle()
            .ifPresent(
                why ->
                    notes.add(
                        "%s leaves the inputs of %s alone: %s"
                            .formatted(
                                transform, names(model.architecture(), set.consumers()), why)));
      }
    }
    return notes;
  }

  /** The set that this names, judged by the names in the first block: blocks are alike. */
  private ScalingSet set(Architecture architecture, List<ScalingSet> sets) {
    var named = sets.stream().filter(set -> producer(architecture, set)).findFirst();
    if (named.isEmpty()) {
      throw LatheException.unknown(
          "smooth layer of a mapping",
          producer.toString(),
          sets.stream()
              .filter(set -> set.obstacle().isEmpty())
              .map(set -> "re:.*" + last(architecture, set.producer()))
              .toList());
    }
    var set = named.get();
    set.obstacle()
        .ifPresent(
            why -> {
              throw new LatheException(
                  "the mapping of '%s' would change the function of the model: %s"
                      .formatted(producer, why));
            });
    for (var selector : consumers) {
      if (set.consumers().stream().noneMatch(role -> matches(selector, architecture, role))) {
        throw LatheException.unknown(
            "balance layer of '" + producer + "'",
            selector.toString(),
            set.consumers().stream().map(role -> "re:.*" + last(architecture, role)).toList());
      }
    }
    var missing =
        set.consumers().stream()
            .filter(role -> consumers.stream().noneMatch(s -> matches(s, architecture, role)))
            .toList();
    if (!missing.isEmpty()) {
      throw new LatheException(
          "'%s' is read by %s too: add it to the mapping, or the function of the model would change"
              .formatted(producer, names(architecture, missing)));
    }
    return set;
  }

  private boolean producer(Architecture architecture, ScalingSet set) {
    return architecture.has(set.producer()) && matches(producer, architecture, set.producer());
  }

  private static boolean matches(Selector selector, Architecture architecture, Role role) {
    var parameter = architecture.parameter(role);
    return selector.matches(
        architecture.moduleName(0, 0, role), parameter.kind() == Kind.LINEAR ? "Linear" : "Norm");
  }

  private static String names(Architecture architecture, List<Role> roles) {
    var names = new ArrayList<String>();
    roles.forEach(role -> names.add(last(architecture, role)));
    return String.join(", ", names);
  }

  private static String last(Architecture architecture, Role role) {
    var name = architecture.parameter(role).huggingFace();
    return name.substring(name.lastIndexOf('.') + 1);
  }
}
