package ai.lathe.compress.quantization;

import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;

/** The quantization methods there are. */
public final class Quantizers {

  private static final List<QuantizationMethod<?>> BUILT_IN =
      List.of(
          new Rtn(), //
          new Gptq(),
          new MrGptq(),
          new AdaQuant(),
          new Gsq(),
          new Vptq(),
          new Aqlm(),
          new SpQr(),
          new BitStack());

  private Quantizers() {}

  /** Built-in methods, then those that third parties provide as services. */
  public static List<QuantizationMethod<?>> all() {
    var methods = new ArrayList<QuantizationMethod<?>>(BUILT_IN);
    for (var method : ServiceLoader.load(QuantizationMethod.class)) {
      methods.add(method);
    }
    return methods;
  }

  /** The method of this name; an unknown name is a {@link LatheException} with the nearest one. */
  public static QuantizationMethod<?> named(String name) {
    var methods = all();
    return methods.stream()
        .filter(method -> method.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                LatheException.unknown(
                    "quantization method",
                    name,
                    methods.stream().map(QuantizationMethod::name).toList()));
  }
}
