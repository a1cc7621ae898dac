package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.ModelConfig.Rope.Scaling;
import ai.lathe.model.config.GgufConfig.Keys;
import ai.lathe.tensor.LatheException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Rotary positions in GGUF: keys, and divisors of the frequencies as tensors. */
public final class GgufRope {

  private static final String FREQUENCIES = "rope_freqs.weight";
  private static final String SHORT = "rope_factors_short.weight";
  private static final String LONG = "rope_factors_long.weight";

  /** Tensors that belong to the configuration, where a file has them. */
  public static final List<String> TENSORS = List.of(FREQUENCIES, SHORT, LONG);

  /** The divisors of Llama 3.1 and later differ in their factor only. */
  private static final Scaling.Llama3 LLAMA_3 = new Scaling.Llama3(8, 1, 4, 8192);

  private GgufRope() {}

  static Rope read(Keys keys, int headSize, Map<String, List<Double>> tensors) {
    int dimensions = keys.count("rope.dimension_count", Limits.WIDTH, headSize);
    if (dimensions > headSize) {
      throw new FormatException(
          keys.where()
              + ": rotates "
              + dimensions
              + " features of a head, which has only "
              + headSize);
    }
    double theta = keys.has("rope.freq_base") ? keys.positive("rope.freq_base") : 10_000;
    var plain = new Rope(theta, dimensions, new Scaling.None());
    tensors.forEach((name, divisors) -> check(name, divisors, dimensions, keys));
    if (tensors.containsKey(SHORT) && tensors.containsKey(LONG)) {
      return plain.scaled(longRope(keys, tensors));
    }
    if (tensors.containsKey(FREQUENCIES)) {
      return perFrequency(plain, tensors.get(FREQUENCIES));
    }
    var type = keys.metadata().findString(keys.prefix() + "rope.scaling.type").orElse("none");
    return switch (type) {
      case "none" -> plain;
      case "linear" -> plain.scaled(new Scaling.Linear(keys.positive("rope.scaling.factor")));
      default ->
          throw new FormatException(
              keys.where()
                  + ": "
                  + LatheException.unknown("rope scaling", type, List.of("none", "linear"))
                      .getMessage());
    };
  }

  private static void check(String name, List<Double> divisors, int dimensions, Keys keys) {
    if (divisors.size() != dimensions / 2
        || divisors.stream().anyMatch(d -> !(d > 0) || d.isInfinite())) {
      throw new FormatException(
          keys.where() + ": " + name + " should hold " + dimensions / 2 + " numbers above 0");
    }
  }

  private static Scaling longRope(Keys keys, Map<String, List<Double>> tensors) {
    int context = keys.count("context_length", Limits.POSITIONS);
    return new Scaling.LongRope(
        tensors.get(SHORT),
        tensors.get(LONG),
        keys.count("rope.scaling.original_context_length", Limits.POSITIONS, context),
        keys.has("rope.scaling.attn_factor") ? keys.positive("rope.scaling.attn_factor") : 1);
  }

  private static Rope perFrequency(Rope plain, List<Double> divisors) {
    var llama3 =
        plain.scaled(
            new Scaling.Llama3(
                divisors.getLast(),
                LLAMA_3.lowFrequencyFactor(),
                LLAMA_3.highFrequencyFactor(),
                LLAMA_3.originalContext()));
    var expected = divisors(llama3);
    for (int i = 0; i < expected.length; i++) {
      if (Math.abs(expected[i] - divisors.get(i)) > 1e-5 * divisors.get(i)) {
        return plain.scaled(new Scaling.PerFrequency(divisors));
      }
    }
    return llama3;
  }

  /** The tensors that a model needs beside its weights, by name. */
  public static Map<String, float[]> tensors(ModelConfig config) {
    var tensors = new LinkedHashMap<String, float[]>();
    if (config.rope() != null) {
      switch (config.rope().scaling()) {
        case Scaling.None _, Scaling.Linear _ -> {}
        case Scaling.Llama3 _, Scaling.PerFrequency _ ->
            tensors.put(FREQUENCIES, divisors(config.rope()));
        case Scaling.LongRope longRope -> {
          tensors.put(SHORT, floats(longRope.shortDivisors()));
          tensors.put(LONG, floats(longRope.longDivisors()));
        }
      }
    }
    return tensors;
  }

  /** Unscaled over scaled frequencies. */
  private static float[] divisors(Rope rope) {
    var plain = rope.scaled(new Scaling.None()).frequencies();
    var scaled = rope.frequencies();
    var divisors = new float[plain.length];
    for (int i = 0; i < divisors.length; i++) {
      divisors[i] = (float) (plain[i] / scaled[i]);
    }
    return divisors;
  }

  private static float[] floats(List<Double> values) {
    var floats = new float[values.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = values.get(i).floatValue();
    }
    return floats;
  }

  static void write(ModelConfig config, String prefix, GgufMetadata.Builder metadata) {
    var rope = config.rope();
    if (rope == null) {
      return;
    }
    metadata
        .u32(prefix + "rope.dimension_count", rope.dimensions())
        .f32(prefix + "rope.freq_base", rope.theta());
    switch (rope.scaling()) {
      case Scaling.None _, Scaling.Llama3 _, Scaling.PerFrequency _ -> {}
      case Scaling.Linear(double factor) ->
          metadata
              .string(prefix + "rope.scaling.type", "linear")
              .f32(prefix + "rope.scaling.factor", factor);
      case Scaling.LongRope longRope ->
          metadata
              .string(prefix + "rope.scaling.type", "longrope")
              .u32(prefix + "rope.scaling.original_context_length", longRope.originalContext())
              .f32(prefix + "rope.scaling.attn_factor", longRope.stretch());
    }
  }
}
