package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/**
 * A block-diagonal Hadamard matrix that the inputs of some modules are multiplied by where they are
 * executed: a scheme of {@code transform_config} with location {@code input}.
 *
 * @param size features of a block, {@code head_dim}
 * @param targets as those of a group
 * @param ignore modules that are not meant
 */
record InputRotation(int size, List<String> targets, List<String> ignore) {

  static final String FIELD = "transform_config";
  private static final String GROUPS = "config_groups";

  /** Whether a module's input is rotated so. */
  boolean matches(String module, String className) {
    return ignore.stream().noneMatch(text -> selector(text).matches(module, className))
        && targets.stream().anyMatch(text -> selector(text).matches(module, className));
  }

  private static Selector selector(String text) {
    return Selector.of(text, FIELD);
  }

  /** The value of {@value #FIELD}, with the fields and values that the Python package writes. */
  static ObjectNode write(List<InputRotation> rotations) {
    var json = Json.object();
    var groups = json.putObject(GROUPS);
    for (var rotation : rotations) {
      var scheme = groups.putObject("rotation_" + groups.size());
      scheme.put("type", "hadamard");
      var apply = scheme.putArray("apply").addObject();
      rotation.targets.forEach(apply.putArray("targets")::add);
      apply.put("location", "input").put("inverse", false);
      rotation.ignore.forEach(apply.putArray("ignore")::add);
      scheme.put("randomize", false).put("requires_grad", false);
      scheme.put("head_dim", rotation.size).put("precision", "torch.float32");
    }
    return json;
  }

  /**
   * The rotations of inputs. What was done to the weights before they were stored needs nothing; a
   * transform of anything else, or another one of inputs, is refused.
   */
  static List<InputRotation> read(JsonFields config) {
    var rotations = new ArrayList<InputRotation>();
    var transforms = config.object(FIELD).filter(given -> !given.object().isEmpty());
    if (transforms.isEmpty()) {
      return List.of();
    }
    var groups =
        transforms
            .get()
            .object(GROUPS)
            .orElseThrow(
                () ->
                    new FormatException(
                        transforms.get().where() + ": '" + GROUPS + "' is missing"));
    for (var name : groups.object().propertyStream().map(java.util.Map.Entry::getKey).toList()) {
      var scheme = groups.object(name).orElseThrow(() -> unsupported(groups));
      for (var application : scheme.object().path("apply")) {
        if (!(application instanceof ObjectNode given)) {
          throw unsupported(scheme);
        }
        var apply = new JsonFields(given, scheme.where() + ".apply");
        switch (apply.requiredText("location")) {
          case "weight_input", "weight_output" -> {}
          case "input" ->
              rotations.add(
                  new InputRotation(
                      size(scheme), selectors(apply, "targets"), selectors(apply, "ignore")));
          default -> throw unsupported(apply);
        }
      }
    }
    return rotations;
  }

  private static List<String> selectors(JsonFields apply, String field) {
    var texts = apply.texts(field);
    texts.forEach(text -> Selector.of(text, apply.where()));
    return texts;
  }

  private static int size(JsonFields scheme) {
    int size = scheme.integer("head_dim").orElse(0);
    boolean supported =
        scheme.requiredText("type").equals("hadamard")
            && !scheme.flag("randomize").orElse(false)
            && size > 1
            && Integer.bitCount(size) == 1;
    if (!supported) {
      throw unsupported(scheme);
    }
    return size;
  }

  private static FormatException unsupported(JsonFields at) {
    return new FormatException(
        at.where()
            + ": of transforms at run time only 'hadamard' of the input with a head_dim that is a"
            + " power of two is supported");
  }
}
