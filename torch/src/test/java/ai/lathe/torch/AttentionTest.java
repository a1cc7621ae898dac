package ai.lathe.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.tensor.DType;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against loops over heads and positions in double. */
class AttentionTest {

  private static final int HEADS = 4;
  private static final int GROUPS = 2;
  private static final int HEAD = 6;

  /** Fewer than a head's features: the last two are not rotated. */
  private static final int ROTATED = 4;

  private static final int TOKENS = 7;
  private static final int BATCH = 2;

  @ParameterizedTest
  @CsvSource({
    "DECODER, 0, false",
    "DECODER, 3, false",
    "DECODER, 0, true",
    "DECODER, 3, true",
    "ENCODER, 0, false",
    "ENCODER, 0, true"
  })
  void equalsTheDefinition(ModelKind kind, int window, boolean padded) {
    var config = config(window == 0 ? OptionalInt.empty() : OptionalInt.of(window));
    var random = new SplittableRandom(7);
    var query = values(random, BATCH * TOKENS * HEADS * HEAD);
    var key = values(random, BATCH * TOKENS * GROUPS * HEAD);
    var value = values(random, BATCH * TOKENS * GROUPS * HEAD);
    var real = new float[BATCH * TOKENS];
    for (int i = 0; i < real.length; i++) {
      real[i] = padded && i >= TOKENS + 4 ? 0 : 1;
    }
    float[] actual;
    try (var _ = new PointerScope();
        var attention = new Attention(config, 0, kind, null, null, Optional.empty())) {
      actual =
          Torch.floats(
              attention.forward(
                  tensor(query, HEADS),
                  tensor(key, GROUPS),
                  tensor(value, GROUPS),
                  padded ? Torch.ofFloats(real, BATCH, TOKENS) : null));
    }
    for (int b = 0; b < BATCH; b++) {
      for (int t = 0; t < TOKENS; t++) {
        if (real[b * TOKENS + t] == 0) {
          continue;
        }
        for (int h = 0; h < HEADS; h++) {
          var expected = expected(config, kind, query, key, value, real, b, t, h);
          for (int i = 0; i < HEAD; i++) {
            assertThat((double) actual[((b * TOKENS + t) * HEADS + h) * HEAD + i])
                .isCloseTo(expected[i], within(2e-6));
          }
        }
      }
    }
  }

  private static double[] expected(
      ModelConfig config,
      ModelKind kind,
      float[] query,
      float[] key,
      float[] value,
      float[] real,
      int b,
      int t,
      int h) {
    int group = h / (HEADS / GROUPS);
    var q = rotated(config, query, ((b * TOKENS + t) * HEADS + h) * HEAD, t);
    var mixed = new double[HEAD];
    double total = 0;
    for (int s = 0; s < TOKENS; s++) {
      boolean causal = kind == ModelKind.DECODER;
      boolean seen = !causal || s <= t && t - s < config.window(0).orElse(TOKENS);
      if (!seen || real[b * TOKENS + s] == 0) {
        continue;
      }
      int at = ((b * TOKENS + s) * GROUPS + group) * HEAD;
      var k = rotated(config, key, at, s);
      double dot = 0;
      for (int i = 0; i < HEAD; i++) {
        dot += q[i] * k[i];
      }
      double weight = Math.exp(dot / Math.sqrt(HEAD));
      total += weight;
      for (int i = 0; i < HEAD; i++) {
        mixed[i] += weight * value[at + i];
      }
    }
    for (int i = 0; i < HEAD; i++) {
      mixed[i] /= total;
    }
    return mixed;
  }

  private static double[] rotated(ModelConfig config, float[] x, int at, int position) {
    var turned = new double[HEAD];
    for (int i = 0; i < HEAD; i++) {
      turned[i] = x[at + i];
    }
    for (int i = 0; i < ROTATED / 2; i++) {
      double angle = position * Math.pow(config.rope().theta(), -2.0 * i / ROTATED);
      double a = x[at + i];
      double b = x[at + i + ROTATED / 2];
      turned[i] = a * Math.cos(angle) - b * Math.sin(angle);
      turned[i + ROTATED / 2] = b * Math.cos(angle) + a * Math.sin(angle);
    }
    return turned;
  }

  private static Tensor tensor(float[] values, int heads) {
    return Torch.ofFloats(values, BATCH, TOKENS, (long) heads * HEAD);
  }

  private static float[] values(SplittableRandom random, int count) {
    return TinyModel.gaussian(random, 0, 1, count).toFloats();
  }

  private static ModelConfig config(OptionalInt window) {
    var rope = new Rope(50, ROTATED, new Rope.Scaling.None());
    return new ModelConfig(
        HEADS * HEAD,
        1,
        HEADS,
        GROUPS,
        HEAD,
        8,
        Optional.empty(),
        8,
        TOKENS,
        1e-5,
        rope,
        true,
        0,
        window.stream()
            .mapToObj(positions -> ModelConfig.Window.everywhere(positions, 1, rope))
            .findFirst(),
        ModelConfig.Arithmetic.plain(Activation.SILU, HEAD),
        DType.F32,
        OptionalInt.empty(),
        OptionalInt.empty(),
        null,
        List.of());
  }
}
