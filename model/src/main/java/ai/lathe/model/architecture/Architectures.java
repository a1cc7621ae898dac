package ai.lathe.model.architecture;

import ai.lathe.model.architecture.Architecture.Variant;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;

/** Every architecture that Lathe knows. A new one is its own file and one line here. */
public final class Architectures {

  public static final List<Architecture> ALL =
      List.of(
          Llama.LLAMA,
          Mixtral.MIXTRAL,
          Qwen2.QWEN2,
          Qwen3.QWEN3,
          Qwen3Moe.QWEN3_MOE,
          Gemma2.GEMMA2,
          Gemma3.GEMMA3,
          Phi3.PHI3,
          Gpt2.GPT2,
          GptNeoX.GPT_NEOX,
          GptNeoX.SEQUENTIAL,
          Opt.OPT,
          Opt.POST_NORM,
          Bert.BERT,
          Bert.MASKED);

  private Architectures() {}

  /** By {@code model_type} of config.json. */
  public static Architecture forModelType(String type) {
    return find("model_type", type, Architecture::modelTypes);
  }

  /** By an entry of config.json's {@code architectures}, for example {@code LlamaForCausalLM}. */
  public static Architecture forClass(String className) {
    return find("model class", className, Architecture::classes);
  }

  /**
   * By GGUF's {@code general.architecture}.
   *
   * @param mixture whether the model has experts: one name may mean an architecture with and one
   *     without
   */
  public static Architecture forGguf(String name, boolean mixture) {
    var named =
        ALL.stream()
            .filter(architecture -> architecture.llamaCpp().isPresent())
            .filter(architecture -> architecture.ggufNames().contains(name))
            .toList();
    return named.stream()
        .filter(architecture -> architecture.has(Role.ROUTER) == mixture)
        .findFirst()
        .or(() -> named.stream().findFirst())
        .orElseThrow(
            () ->
                LatheException.unknown(
                    "GGUF architecture",
                    name,
                    ALL.stream()
                        .filter(architecture -> architecture.llamaCpp().isPresent())
                        .flatMap(architecture -> architecture.ggufNames().stream())
                        .distinct()
                        .toList()));
  }

  /**
   * Of the architectures that share a model type, the one for a file.
   *
   * @param setting what the file says of the variants' setting
   */
  public static Architecture choose(Architecture found, Predicate<Variant> setting) {
    return ALL.stream()
        .filter(architecture -> architecture.modelTypes().equals(found.modelTypes()))
        .filter(
            architecture ->
                architecture.variant().stream().allMatch(v -> v.value() == setting.test(v)))
        .findFirst()
        .orElse(found);
  }

  /** The same with a head that predicts masked tokens; empty where it is known without one only. */
  public static Optional<Architecture> withHead(Architecture architecture) {
    return sibling(architecture, true);
  }

  /** The same without a head that predicts masked tokens. */
  public static Architecture withoutHead(Architecture architecture) {
    return architecture.has(Role.HEAD_TRANSFORM)
        ? sibling(architecture, false).orElseThrow()
        : architecture;
  }

  private static Optional<Architecture> sibling(Architecture architecture, boolean head) {
    return ALL.stream()
        .filter(other -> other.modelTypes().equals(architecture.modelTypes()))
        .filter(other -> other.has(Role.HEAD_TRANSFORM) == head)
        .findFirst();
  }

  private static Architecture find(
      String kind, String name, Function<Architecture, List<String>> names) {
    return ALL.stream()
        .filter(architecture -> names.apply(architecture).contains(name))
        .findFirst()
        .orElseThrow(() -> LatheException.unknown(kind, name, known(names)));
  }

  private static List<String> known(Function<Architecture, List<String>> names) {
    return ALL.stream().flatMap(a -> names.apply(a).stream()).distinct().toList();
  }
}
