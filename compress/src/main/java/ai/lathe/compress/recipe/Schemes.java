package ai.lathe.compress.recipe;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.GroupScale;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.IntegerType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.ScaleTile;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The preset schemes by the names that llm-compressor and vLLM users know: {@code W4A16} is 4-bit
 * weights in groups of 128 with 16-bit activations, {@code W8A8} per-channel 8-bit weights with
 * activations rounded to 8 bits a token; {@code FP8} has one scale a tensor for weights and inputs,
 * {@code FP8_DYNAMIC} one a row and a token, {@code FP8_BLOCK} one a 128 x 128 block and 128
 * inputs; {@code A16} after a floating format leaves inputs alone.
 */
public final class Schemes {

  private static final int GROUP = 128;
  private static final Activations INT4_TOKEN = new Activations.PerToken(IntegerType.INT4);
  private static final Activations FP8_GROUPS =
      new Activations.PerGroup(FloatType.E4M3, GROUP, GroupScale.FLOAT);
  private static final FloatScheme E5M2 =
      new FloatScheme(FloatType.E5M2, ScaleTile.CHANNEL, GroupScale.FLOAT, Activations.NONE);
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
    for (int bits = 2; bits <= 4; bits++) {
      presets.put("W" + bits + "A4", integers(bits, GROUP, true, INT4_TOKEN));
    }
    presets.put("W4AFP8", integers(4, GROUP, true, Activations.FP8_TOKEN));
    presets.put("FP8", floats(FloatScheme.fp8(ScaleTile.TENSOR, Activations.FP8_TENSOR)));
    var dynamic = floats(FloatScheme.fp8(ScaleTile.CHANNEL, Activations.FP8_TOKEN));
    presets.put("FP8_DYNAMIC", dynamic);
    presets.put("FP8_BLOCK", floats(FloatScheme.fp8(new ScaleTile(GROUP, GROUP), FP8_GROUPS)));
    presets.put("FP8_E5M2", floats(E5M2));
    presets.put("MXFP8", floats(FloatScheme.mxfp8(Activations.MXFP8)));
    presets.put("MXFP8A16", floats(FloatScheme.mxfp8(Activations.NONE)));
    presets.put("MXFP4", floats(FloatScheme.mxfp4(Activations.MXFP4)));
    presets.put("MXFP4A16", floats(FloatScheme.mxfp4(Activations.NONE)));
    presets.put("MXFP4XFP8", floats(FloatScheme.mxfp4(FP8_GROUPS)));
    presets.put("NVFP4", floats(FloatScheme.nvfp4(Activations.NVFP4)));
    presets.put("NVFP4A16", floats(FloatScheme.nvfp4(Activations.NONE)));
    // As the paper "Give Me BF16 or Give Me Death?" calls the three that it compares.
    presets.put("W8A8-FP", dynamic);
    presets.put("W8A8-INT", int8);
    presets.put("W4A16-INT", presets.get("W4A16"));
    return Collections.unmodifiableMap(presets);
  }

  private static Scheme floats(FloatScheme scheme) {
    return new Scheme.Floats(scheme);
  }

  private static Scheme integers(
      int bits, int groupSize, boolean symmetric, Activations activations) {
    return new Scheme.Integers(new IntegerScheme(bits, groupSize, symmetric, activations));
  }
}
