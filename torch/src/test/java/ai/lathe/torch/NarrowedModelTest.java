package ai.lathe.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.format.FormatException;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Arithmetic;
import ai.lathe.model.ModelConfig.Experts;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.ModelConfig.Window;
import ai.lathe.model.NarrowedCheckpoint;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.CheckpointWriters;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import ai.lathe.torch.gradient.Gradients;
import ai.lathe.torch.gradient.Loss;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A model without some of its inner features is the model in which they are always zero. */
class NarrowedModelTest {

  private static final int BLOCKS = 3;
  private static final int HEADS = 4;
  private static final int HEAD = 8;
  private static final int FEED_FORWARD = 20;
  private static final int VOCABULARY = 30;
  private static final int[] TOKENS = {3, 1, 4, 1, 5, 9, 2, 6, 5};

  /** Widths that are the same everywhere. */
  private static final int[] WHOLE = {FEED_FORWARD, FEED_FORWARD, FEED_FORWARD};

  private static final int[] PAIRS = {HEAD / 2, HEAD / 2, HEAD / 2};
  private static final int[] VALUES = {HEAD, HEAD, HEAD};

  @TempDir Path folder;

  @BeforeAll
  static void oneThread() {
    Torch.threads(1);
  }

  /** Hidden 12, four heads of 8, two of keys; in models with windows all blocks but one have it. */
  private static TinyModel wide(String type) {
    var architecture = Architectures.forModelType(type);
    boolean learned = architecture.has(Role.POSITION_EMBEDDING);
    boolean gemma = type.startsWith("gemma");
    var rope = learned ? null : new Rope(100, HEAD, new Rope.Scaling.None());
    var own = new Rope(30, HEAD, new Rope.Scaling.Linear(2));
    var config =
        new ModelConfig(
            12,
            BLOCKS,
            HEADS,
            learned ? HEADS : 2,
            HEAD,
            FEED_FORWARD,
            architecture.has(Role.ROUTER)
                ? Optional.of(new Experts(4, 2, FEED_FORWARD, true, Set.of()))
                : Optional.empty(),
            VOCABULARY,
            16,
            1e-5,
            rope,
            true,
            learned ? 2 : 0,
            gemma ? Optional.of(new Window(4, List.of(true, false, true), own)) : Optional.empty(),
            new Arithmetic(
                architecture.activation(),
                gemma ? 0.3 : 1 / Math.sqrt(HEAD),
                gemma ? OptionalDouble.of(2) : OptionalDouble.empty(),
                OptionalDouble.empty()),
            DType.F32,
            OptionalInt.empty(),
            OptionalInt.empty(),
            null,
            List.of());
    return TinyModel.random(architecture, config, 11);
  }

  /** Different in each block; the second feed-forward is whole, and so are the first values. */
  private static Slices slices(TinyModel wide) {
    return Slices.random(
        wide.config(), new int[] {13, FEED_FORWARD, 1}, new int[] {3, 1, 4}, new int[] {8, 5, 3});
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "qwen2", "gemma2", "opt", "bert"})
  void givesWhatTheWideOneGivesWithZeros(String type) {
    var wide = wide(type);
    var slices = slices(wide);
    var narrow = slices.of(wide);
    assertSame(output(narrow), output(slices.zeroed(wide)));
    assertThat(output(narrow)).isNotEqualTo(output(wide));
    assertThat(numbers(narrow)).isLessThan(numbers(wide));
  }

  @Test
  void expertsBesideNarrowHeads() {
    var wide = wide("mixtral");
    var slices = Slices.random(wide.config(), WHOLE, new int[] {3, 1, 4}, new int[] {8, 5, 3});
    assertSame(output(slices.of(wide)), output(slices.zeroed(wide)));
    assertThatThrownBy(() -> slices(wide).of(wide))
        .isInstanceOf(LatheException.class)
        .hasMessage("block 0 cannot be so narrow: it has experts in the place of a feed-forward");
  }

  @Test
  void eachWidthByItself() {
    var wide = wide("llama");
    var config = wide.config();
    for (var slices :
        List.of(
            Slices.random(config, new int[] {7, 1, 19}, PAIRS, VALUES),
            Slices.random(config, WHOLE, new int[] {2, 3, 1}, VALUES),
            Slices.random(config, WHOLE, PAIRS, new int[] {1, 7, 2}))) {
      assertSame(output(slices.of(wide)), output(slices.zeroed(wide)));
    }
  }

  @Test
  void withEverythingLeftItIsTheSameModel() {
    var wide = wide("llama");
    var narrow = Slices.random(wide.config(), WHOLE, PAIRS, VALUES).of(wide);
    assertThat(narrow.config()).isEqualTo(wide.config());
    assertThat(narrow.addresses()).isEqualTo(wide.addresses());
    assertThat(output(narrow)).isEqualTo(output(wide));
  }

  @Test
  void readsWhatWasWritten() {
    var wide = wide("llama");
    var narrow = slices(wide).of(wide);
    var directory = folder.resolve("narrow");
    write(narrow, directory);
    try (var read = Checkpoints.open(directory)) {
      assertThat(read.config().widths()).isEqualTo(narrow.config().widths());
      assertThat(read.config().headSize()).isEqualTo(HEAD);
      assertThat(read.config().feedForward()).isEqualTo(FEED_FORWARD);
      assertThat(read.addresses()).containsExactlyInAnyOrderElementsOf(narrow.addresses());
      assertThat(read.name(Address.weight(1, Role.ROTARY_PAIRS)))
          .isEqualTo("model.layers.1.self_attn.rotary_pairs");
      for (int block = 0; block < BLOCKS; block++) {
        assertThat(RotaryPairs.of(read, block)).isEqualTo(RotaryPairs.of(narrow, block));
      }
      assertThat(output(read)).isEqualTo(output(narrow));
      write(read, folder.resolve("again"));
    }
    assertThat(folder.resolve("again/config.json"))
        .hasSameBinaryContentAs(directory.resolve("config.json"));
    assertThat(folder.resolve("again/model.safetensors"))
        .hasSize(directory.resolve("model.safetensors").toFile().length());
  }

  /** Calibration reads the layers that were written so far. */
  @Test
  void opensBeforeItIsFinished() {
    var wide = wide("llama");
    var narrow = slices(wide).of(wide);
    var plan = CheckpointWriters.huggingFace(folder.resolve("begun"), narrow, plain(narrow));
    try (var writer = plan.create()) {
      writer.flush();
      assertPairs(writer.staging(), narrow);
    }
    try (var writer = plan.resume(List.of())) {
      assertPairs(writer.staging(), narrow);
    }
  }

  private static void assertPairs(Path path, Checkpoint expected) {
    try (var read = Checkpoints.open(path)) {
      assertThat(RotaryPairs.of(read, 0)).isPresent().isEqualTo(RotaryPairs.of(expected, 0));
    }
  }

  /** Two heads of keys keep three of the pairs 0 to 3 each. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "0 2 1 0 1 2; ascending rotary pairs from 0 to 3 for each head, not 1 after 2",
        "0 1 2 1 1 2; ascending rotary pairs from 0 to 3 for each head, not 1 after 1",
        "0 1 2 1 2 4; ascending rotary pairs from 0 to 3 for each head, not 4 after 2",
        "-1 1 2 0 1 2; ascending rotary pairs from 0 to 3 for each head, not -1 after -1",
      })
  void impossiblePairsAreRefused(String pairs, String message) {
    var wide = wide("llama");
    var bad = Arrays.stream(pairs.split(" ")).map(Integer::valueOf).toList();
    var stored = new RotaryPairs(List.of(bad.subList(0, 3), bad.subList(3, 6))).tensor();
    assertRefused(slices(wide).of(wide), stored, "should hold " + message);
  }

  @Test
  void pairsThatAreNoWholeNumbersAreRefused() {
    var wide = wide("llama");
    var floats = Tensor.ofFloats(new float[] {0, 1, 2, 0, 1, 2}, 2, 3);
    assertRefused(slices(wide).of(wide), floats, "should be I32[2, 3], not F32[2, 3]");
  }

  private void assertRefused(Checkpoint narrow, Tensor pairs, String message) {
    var address = Address.weight(0, Role.ROTARY_PAIRS);
    var changed =
        new CheckpointView(narrow) {
          @Override
          public Optional<Tensor> vector(Address other) {
            return other.equals(address) ? Optional.of(pairs) : super.vector(other);
          }
        };
    write(changed, folder.resolve("hostile"));
    assertThatThrownBy(() -> Checkpoints.open(folder.resolve("hostile")))
        .isInstanceOf(FormatException.class)
        .hasMessageEndingWith("'model.layers.0.self_attn.rotary_pairs' " + message);
  }

  @Test
  void noGgufHasNarrowerHeads() {
    var wide = wide("llama");
    var narrow = slices(wide).of(wide);
    assertThatThrownBy(
            () -> CheckpointWriters.gguf(folder.resolve("n.gguf"), narrow, plain(narrow)))
        .isInstanceOf(LatheException.class)
        .hasMessage(
            "GGUF has no narrower heads: those of block 0 have 6 features of queries and keys and"
                + " 8 of values, the model's have 8; the model can be written as a directory only");
  }

  /** From the description of a narrower one: nothing of it may stay. */
  @Test
  void aWideModelSaysNothingOfWidths() {
    var wide = wide("llama");
    write(slices(wide).of(wide), folder.resolve("narrow"));
    try (var read = Checkpoints.open(folder.resolve("narrow"))) {
      var config = wide.config().describedBy(read.config().huggingFace());
      write(new TinyModel(wide.architecture(), config, wide.tensors()), folder.resolve("wide"));
    }
    assertThat(folder.resolve("narrow/config.json")).content().contains("block_widths");
    assertThat(folder.resolve("wide/config.json")).content().doesNotContain("block_widths");
  }

  /** Of what stays they are the wide one's with zeros. */
  @ParameterizedTest
  @ValueSource(strings = {"llama", "gemma2"})
  void gradientsAreThoseOfWhatStays(String type) {
    var wide = wide(type);
    var slices = slices(wide);
    var narrow = slices.of(wide);
    var all = gradients(slices.zeroed(wide));
    gradients(narrow)
        .forEach(
            (address, gradient) -> {
              var shape = wide.config().shape(wide.architecture(), address);
              var ofAll = wide.with(address, Tensor.ofFloats(all.get(address), shape));
              var expected = (Dense) slices.of(ofAll).matrix(address);
              assertSame(gradient, expected.tensor().toFloats());
            });
  }

  private static Map<Address, float[]> gradients(Checkpoint model) {
    var matrices =
        model.addresses().stream()
            .filter(address -> address.block() >= 0 && !address.isVector(model.architecture()))
            .toList();
    var values = new LinkedHashMap<Address, float[]>();
    try (var gradients = new Gradients(model, new Loss.NextToken())) {
      gradients.of(
          List.of(TOKENS),
          0,
          matrices,
          (index, gradient) ->
              values.put(matrices.get(index), gradient.toArray(ValueLayout.JAVA_FLOAT)));
    }
    return values;
  }

  @ParameterizedTest
  @ValueSource(strings = {"qwen3", "gemma3"})
  void normsOverHeadsKeepThemWhole(String type) {
    var wide = wide(type);
    assertThatThrownBy(() -> slices(wide).of(wide))
        .isInstanceOf(LatheException.class)
        .hasMessage(
            "block 0 cannot be so narrow: a " + type + " has norms over whole query and key heads");
    var values = Slices.random(wide.config(), new int[] {2, 20, 20}, PAIRS, new int[] {8, 5, 1});
    assertSame(output(values.of(wide)), output(values.zeroed(wide)));
  }

  @Test
  void theWeightsOfOtherWidthsMustBeGiven() {
    var wide = wide("llama");
    var narrow = slices(wide).of(wide);
    assertThatThrownBy(
            () -> new NarrowedCheckpoint(wide, narrow.config().widths(), Map.of(), Map.of()))
        .isInstanceOf(LatheException.class)
        .hasMessageMatching(".* of the narrower model should be \\[24, 12], not \\[32, 12]");
  }

  private static Map<Address, Encoding> plain(Checkpoint model) {
    var matrices = new LinkedHashMap<Address, Encoding>();
    for (var address : model.addresses()) {
      if (!address.isVector(model.architecture())) {
        matrices.put(address, new Encoding.Plain(DType.F32));
      }
    }
    return matrices;
  }

  private static void write(Checkpoint model, Path directory) {
    var matrices = plain(model);
    try (var writer = CheckpointWriters.huggingFace(directory, model, matrices).create()) {
      for (var address : model.addresses()) {
        if (matrices.containsKey(address)) {
          writer.write(address, model.matrix(address));
        } else {
          writer.write(address, model.vector(address).orElseThrow());
        }
      }
      writer.finish();
    }
  }

  private static long numbers(Checkpoint model) {
    return model.addresses().stream()
        .mapToLong(address -> Tensor.elements(model.config().shape(model.architecture(), address)))
        .sum();
  }

  /** Logits of a decoder, states of an encoder. */
  private static float[] output(Checkpoint model) {
    if (model.architecture().kind() == ModelKind.ENCODER) {
      try (var encoder = TorchEncoder.of(model)) {
        return encoder.encode(List.of(TOKENS)).getFirst().values();
      }
    }
    var all = new float[TOKENS.length * VOCABULARY];
    try (var decoder = TorchModel.of(model);
        var logits = decoder.forward(TOKENS)) {
      logits.rows(0, TOKENS.length, all);
    }
    return all;
  }

  private static void assertSame(float[] actual, float[] expected) {
    assertThat(actual).hasSameSizeAs(expected);
    for (int i = 0; i < actual.length; i++) {
      assertThat((double) actual[i])
          .isCloseTo(expected[i], within(2e-5 + 1e-5 * Math.abs(expected[i])));
    }
  }
}
