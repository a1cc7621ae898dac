package ai.lathe.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TorchBlockTest {

  /** Small products gain nothing from threads, and lose much where the machine is busy. */
  @BeforeAll
  static void oneThread() {
    Torch.threads(1);
  }

  private static final int HIDDEN = 12;

  @ParameterizedTest
  @ValueSource(strings = {"llama", "mixtral", "qwen2", "qwen3", "bert"})
  void paddingDoesNotLeakIntoRealTokens(String type) {
    try (var _ = new PointerScope();
        var block = TorchBlock.load(TinyModel.random(type, OptionalInt.empty(), 1), 0)) {
      var padding = Torch.ofFloats(new float[] {1, 1, 1, 1, 1, 0, 0}, 1, 7);
      var one = hidden(3, 7);
      var other = one.clone();
      for (int i = 5 * HIDDEN; i < one.length; i++) {
        other[i] = 1000 - i;
      }
      var a = Torch.floats(block.forward(Torch.ofFloats(one, 1, 7, HIDDEN), padding, null));
      var b = Torch.floats(block.forward(Torch.ofFloats(other, 1, 7, HIDDEN), padding, null));
      for (int i = 0; i < 5 * HIDDEN; i++) {
        assertThat(a[i]).isEqualTo(b[i]);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 3})
  void aDecoderDoesNotSeeTheFutureNorBeyondItsWindow(int window) {
    var limit = window == 0 ? OptionalInt.empty() : OptionalInt.of(window);
    try (var _ = new PointerScope();
        var block = TorchBlock.load(TinyModel.random("llama", limit, 1), 1)) {
      var before = run(block, hidden(3, 7), 7);
      var changed = hidden(3, 7);
      for (int i = 2 * HIDDEN; i < 3 * HIDDEN; i++) {
        changed[i] += 1;
      }
      var after = run(block, changed, 7);
      for (int t = 0; t < 7; t++) {
        boolean sees = t >= 2 && (window == 0 || t - 2 < window);
        assertThat(after[t * HIDDEN] != before[t * HIDDEN]).as("token " + t).isEqualTo(sees);
      }
    }
  }

  @Test
  void everySharedInputIsHeardOnce() {
    var llama = sites("llama");
    assertThat(llama)
        .containsExactly(
            Map.entry(Site.of(Role.ATTENTION_NORM), 12L),
            Map.entry(Site.of(Role.VALUE), 12L),
            Map.entry(Site.of(Role.FEED_FORWARD_NORM), 12L),
            Map.entry(Site.of(Role.UP), 20L));
    var bert = sites("bert");
    assertThat(bert)
        .containsExactly(
            Map.entry(Site.of(Role.FEED_FORWARD_OUTPUT_NORM), 12L),
            Map.entry(Site.of(Role.VALUE), 12L),
            Map.entry(Site.of(Role.ATTENTION_OUTPUT_NORM), 12L),
            Map.entry(Site.of(Role.UP), 20L));
  }

  @Test
  void expertsHearTheirOwnRealTokens() {
    var model = TinyModel.random("mixtral", OptionalInt.empty(), 1);
    try (var _ = new PointerScope();
        var block = TorchBlock.load(model, 0)) {
      var heard = new HashMap<Site, float[]>();
      var padding = Torch.ofFloats(new float[] {1, 1, 1, 1, 1, 0, 0}, 1, 7);
      block.forward(
          Torch.ofFloats(hidden(3, 7), 1, 7, HIDDEN),
          padding,
          (site, input, mask) -> {
            assertThat(mask == null).isEqualTo(site.expert() != Site.NO_EXPERT);
            heard.put(site, Torch.floats(input));
          });
      var all = rows(heard.get(Site.of(Role.FEED_FORWARD_NORM)), 5);
      int tokens = 0;
      for (int expert = 0; expert < 5; expert++) {
        var site = new Site(Role.FEED_FORWARD_NORM, expert);
        var down = new Site(Role.EXPERT_UP, expert);
        assertThat(heard.containsKey(site)).isEqualTo(heard.containsKey(down));
        if (heard.containsKey(site)) {
          int count = heard.get(site).length / HIDDEN;
          assertThat(heard.get(down)).hasSize(count * 8);
          assertThat(all).containsAll(rows(heard.get(site), count));
          tokens += count;
        }
      }
      assertThat(tokens).as("two experts for each of the real tokens").isEqualTo(2 * 5);
    }
  }

  private static List<List<Float>> rows(float[] values, int count) {
    return IntStream.range(0, count)
        .mapToObj(
            i -> IntStream.range(i * HIDDEN, (i + 1) * HIDDEN).mapToObj(j -> values[j]).toList())
        .toList();
  }

  private static List<Map.Entry<Site, Long>> sites(String type) {
    var heard = new ArrayList<Map.Entry<Site, Long>>();
    try (var _ = new PointerScope();
        var block = TorchBlock.load(TinyModel.random(type, OptionalInt.empty(), 1), 0)) {
      block.forward(
          Torch.ofFloats(hidden(3, 5), 1, 5, HIDDEN),
          null,
          (site, input, _) -> heard.add(Map.entry(site, input.size(-1))));
    }
    return heard;
  }

  @Test
  void replacedWeightIsUsedAndItsShapeChecked() {
    var model = TinyModel.random("qwen2", OptionalInt.empty(), 1);
    var other = TinyModel.gaussian(new SplittableRandom(9), 0, 0.3, 12, 12);
    var address = Address.weight(0, Role.QUERY);
    try (var _ = new PointerScope();
        var block = TorchBlock.load(model, 0);
        var expected = TorchBlock.load(model.with(address, other), 0)) {
      block.replace(Role.QUERY, new Dense(other));
      assertThat(run(block, hidden(3, 5), 5)).isEqualTo(run(expected, hidden(3, 5), 5));
      assertThatThrownBy(() -> block.replace(Role.QUERY, Dense.of(Matrix.zeros(12, 13))))
          .isInstanceOf(LatheException.class)
          .hasMessage("block 0 QUERY is [12, 12] and cannot become [12, 13]");
      assertThatThrownBy(() -> block.replace(Role.ATTENTION_NORM, new Dense(other)))
          .isInstanceOf(LatheException.class);
    }
  }

  @Test
  void nanIsReportedWhereItBegins() {
    var model = TinyModel.random("llama", OptionalInt.empty(), 1);
    var address = Address.weight(1, Role.UP);
    var values = model.tensors().get(address).toFloats();
    values[17] = Float.NaN;
    var broken = model.with(address, ai.lathe.tensor.Tensor.ofFloats(values, 20, 12));
    try (var _ = new PointerScope();
        var block = TorchBlock.load(broken, 1)) {
      assertThatThrownBy(() -> run(block, hidden(3, 5), 5))
          .isInstanceOf(LatheException.class)
          .hasMessage("NaN or infinity in block 1, first in the output of UP");
      var input = hidden(3, 5);
      input[4] = Float.POSITIVE_INFINITY;
      assertThatThrownBy(() -> run(block, input, 5))
          .hasMessage("the input of block 1 holds NaN or infinity");
    }
  }

  @Test
  void int8ActivationsAreRoundedTokenByToken() {
    var scheme = new IntegerScheme(8, IntegerScheme.CHANNEL, true, Activations.INT8_TOKEN);
    var random = new SplittableRandom(4);
    var codes = new byte[3 * 6];
    random.nextBytes(codes);
    var scales = ai.lathe.tensor.Tensor.ofFloats(new float[] {0.5f, 0.25f, 2f}, 3, 1);
    var weight = new GroupQuantized(scheme, 3, 6, codes, scales, null);
    // Halves after division by the scale, both signs, the clamped end, and a token of zeros.
    var x = new float[] {127.5f, -127.5f, 0.5f, 1.5f, -2.5f, 63f, 0, 0, 0, 0, 0, 0};
    var rounded = new float[] {127, -128, 0, 2, -2, 63, 0, 0, 0, 0, 0, 0};
    try (var _ = new PointerScope();
        var linear = TorchLinear.of(weight, null, Precision.FLOAT32)) {
      var actual = Torch.floats(linear.forward(Torch.ofFloats(x, 2, 6)));
      for (int token = 0; token < 2; token++) {
        for (int row = 0; row < 3; row++) {
          float expected = 0;
          for (int i = 0; i < 6; i++) {
            expected += rounded[token * 6 + i] * codes[row * 6 + i];
          }
          assertThat(actual[token * 3 + row])
              .isCloseTo(expected * scales.toFloats()[row], within(0.05f));
        }
      }
    }
  }

  /** The derivative along a random direction, against the difference quotient. */
  @ParameterizedTest
  @ValueSource(strings = {"llama", "mixtral", "qwen3_moe", "qwen3", "bert"})
  void gradientsEqualDifferenceQuotients(String type) {
    var model = TinyModel.random(type, OptionalInt.of(3), 5);
    try (var _ = new PointerScope()) {
      var parameters = new HashMap<Address, Tensor>();
      for (var address : model.addresses()) {
        if (address.block() == 0) {
          var tensor = model.tensors().get(address);
          parameters.put(
              address, Torch.ofFloats(tensor.toFloats(), tensor.shape()).set_requires_grad(true));
        }
      }
      var block =
          TorchBlock.of(
              model.architecture(),
              model.config(),
              0,
              Precision.FLOAT32,
              address -> Optional.ofNullable(parameters.get(address)));
      var input = Torch.ofFloats(hidden(8, 6), 1, 6, HIDDEN).set_requires_grad(true);
      var mix = Torch.ofFloats(hidden(9, 6), 1, 6, HIDDEN);
      block.forward(input, null, null).mul(mix).sum().backward();
      parameters.put(Address.weight(Address.OUTSIDE, Role.TOKEN_EMBEDDING), input);
      var random = new SplittableRandom(6);
      for (var entry : parameters.entrySet()) {
        var values = Torch.floats(entry.getValue());
        var grad = entry.getValue().grad();
        // No token went to that expert: nothing depends on it.
        boolean unused = !grad.defined();
        assertThat(unused && entry.getKey().expert() == Site.NO_EXPERT).isFalse();
        var gradient = unused ? new float[values.length] : Torch.floats(grad);
        var direction = TinyModel.gaussian(random, 0, 1, values.length).toFloats();
        double expected = 0;
        for (int i = 0; i < values.length; i++) {
          expected += (double) gradient[i] * direction[i];
        }
        double step = 1e-2 / Math.sqrt(values.length);
        double up = moved(block, input, mix, entry.getValue(), values, direction, step);
        double down = moved(block, input, mix, entry.getValue(), values, direction, -step);
        set(entry.getValue(), values);
        assertThat((up - down) / (2 * step))
            .as(entry.getKey().toString())
            .isCloseTo(expected, within(0.02 + 0.01 * Math.abs(expected)));
      }
      assertThat(Torch.finite(input)).isTrue();
    }
  }

  private static double moved(
      TorchBlock block,
      Tensor input,
      Tensor mix,
      Tensor parameter,
      float[] values,
      float[] direction,
      double step) {
    var shifted = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      shifted[i] = (float) (values[i] + step * direction[i]);
    }
    set(parameter, shifted);
    var product = Torch.floats(block.forward(input, null, null).mul(mix));
    double sum = 0;
    for (float v : product) {
      sum += v;
    }
    return sum;
  }

  private static void set(Tensor parameter, float[] values) {
    java.lang.foreign.MemorySegment.copy(
        values,
        0,
        Torch.memory(parameter),
        java.lang.foreign.ValueLayout.JAVA_FLOAT,
        0,
        values.length);
  }

  private static float[] run(TorchBlock block, float[] hidden, int tokens) {
    return Torch.floats(block.forward(Torch.ofFloats(hidden, 1, tokens, HIDDEN), null, null));
  }

  private static float[] hidden(long seed, int tokens) {
    return TinyModel.gaussian(new SplittableRandom(seed), 0, 1, (long) tokens * HIDDEN).toFloats();
  }
}
