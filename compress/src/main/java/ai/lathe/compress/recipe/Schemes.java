package ai.lathe.compress.recipe;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The preset schemes by the names that llm-compressor and vLLM users know: {@code W4A16} is 4-bit
 * weights in groups of 128 with 16-bit activations, {@code W8A8} per-channel 8-bit weights with
 * activations rounded to 8 bits a token.
 */
public final class Schemes {

  private static final int GROUP = 128;
  private static final Map<String, Scheme> PRESETS = presets();

  private Schemes() {}

  public static Set<String> names() {
    return PRESETS.keySet();
  }

  /** Throws {@link LatheException} that names the nearest preset. */
  public static Scheme named(String name) {
    var scheme = PRESETS.get(name.toUpperCase(Locale.ROOT));
    if (scheme == null) {
      throw LatheException.unknown("scheme", name, names());
    }
    return scheme;
  }

  private static Map<String, Scheme> presets() {
    var presets = new LinkedHashMap<String, Scheme>();
    for (int bits = 2; bits <= 8; bits++) {
      presets.put("W" + bits + "A16", integers(bits, GROUP, true, Activations.NONE));
      presets.put("W" + bits + "A16_ASYM", integers(bits, GROUP, false, Activations.NONE));
    }
    for (int bits = 2; bits < 8; bits++) {
      presets.put("W" + bits + "A8", integers(bits, GROUP, true, Activations.INT8_TOKEN));
    }
    var int8 = integers(8, IntegerScheme.CHANNEL, true, Activations.INT8_TOKEN);
    presets.put("W8A8", int8);
    presets.put("INT8", int8);
    return Collections.unmodifiableMap(presets);
  }

  private static Scheme integers(
      int bits, int groupSize, boolean symmetric, Activations activations) {
    return new Scheme.Integers(new IntegerScheme(bits, groupSize, symmetric, activations));
  }
}
