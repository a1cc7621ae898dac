package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.ScaleTile;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.block.BlockEncoder;
import ai.lathe.tensor.block.BlockTypes;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchModel;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A trained decoder of one block in every type of weights that is stored: its logits beside the
 * torch executor's, which multiplies decoded weights in float32, and those of all kernels beside
 * each other. Differences are those of the largest logit.
 */
class WeightTypesTest {

  /** Kernels that compute in float32. */
  private static final double FLOATS = 1e-4;

  /**
   * Kernels of integers round each block of 32 inputs to 8 bits: by up to 1/254 of the block's
   * largest, before every matrix.
   */
  private static final double ROUNDED_INPUTS = 0.03;

  /**
   * Between {@code scalar} and the others, whose norms and attention are float32: where that turns
   * the rounding of an input over, one step of 8 bits.
   */
  private static final double TURNED_OVER = 0.01;

  private static final KvCache.Settings EXACT = KvCache.Settings.DEFAULT.of(DType.F32);
  private static final Workers WORKERS = new Workers(2);

  /** Some at once, then one by one: kernels of many tokens and of few. */
  private static final int[] TOKENS = {0, 300, 17, 512, 80, 5, 900, 44};

  private static final int TOGETHER = 6;

  @TempDir static Path folder;

  private static Checkpoint embedded;

  /** Decoded once; each type is made of these. */
  private static final Map<Address, LinearWeight> WEIGHTS = new HashMap<>();

  record Kind(String name, double tolerance, UnaryOperator<LinearWeight> stored) {
    @Override
    public String toString() {
      return name;
    }
  }

  @BeforeAll
  static void open() {
    Torch.threads(1);
    embedded = Checkpoints.open(EmbeddedModel.extract(folder.resolve("model")).directory());
  }

  /** One block is all that types differ in, and takes a quarter of the time. */
  private static ModelConfig ofOneBlock(ModelConfig all) {
    return new ModelConfig(
        all.hidden(),
        1,
        all.heads(),
        all.keyValueHeads(),
        all.headSize(),
        all.feedForward(),
        all.experts(),
        all.vocabulary(),
        all.context(),
        all.normEpsilon(),
        all.rope(),
        all.tiedEmbeddings(),
        all.tokenTypes(),
        all.window(),
        all.arithmetic(),
        all.dtype(),
        all.beginToken(),
        all.endToken(),
        all.huggingFace(),
        List.of());
  }

  @AfterAll
  static void close() {
    embedded.close();
    WORKERS.close();
  }

  static List<Kind> kinds() {
    var kinds = new ArrayList<Kind>();
    for (var type : List.of(DType.F32, DType.F16, DType.BF16)) {
      kinds.add(
          new Kind(
              type.name(), FLOATS, weight -> new Dense(floats(weight).to(type, Arena.ofAuto()))));
    }
    for (var type : BlockTypes.all()) {
      kinds.add(
          new Kind(
              type.name(),
              ROUNDED_INPUTS,
              weight -> BlockEncoder.encode(type, weight, null, Arena.ofAuto())));
    }
    for (int bits = 2; bits <= 8; bits++) {
      for (boolean symmetric : new boolean[] {true, false}) {
        kinds.add(integers(new IntegerScheme(bits, 32, symmetric, Activations.NONE)));
      }
    }
    kinds.add(integers(new IntegerScheme(4, 128, true, Activations.NONE)));
    kinds.add(integers(new IntegerScheme(8, IntegerScheme.CHANNEL, true, Activations.NONE)));
    kinds.add(integers(new IntegerScheme(8, IntegerScheme.CHANNEL, true, Activations.INT8_TOKEN)));
    for (var scheme :
        List.of(FloatScheme.mxfp4(Activations.NONE), FloatScheme.nvfp4(Activations.NONE))) {
      kinds.add(new Kind(scheme.label(), ROUNDED_INPUTS, weight -> smallFloats(scheme, weight)));
    }
    for (var tile : List.of(ScaleTile.CHANNEL, new ScaleTile(128, 128))) {
      var scheme = FloatScheme.fp8(tile, Activations.NONE);
      kinds.add(new Kind(scheme.label(), FLOATS, weight -> smallFloats(scheme, weight)));
    }
    return kinds;
  }

  private static Kind integers(IntegerScheme scheme) {
    return new Kind(scheme.label(), ROUNDED_INPUTS, weight -> rounded(scheme, weight));
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void logitsAreTorchsAndAllKernels(Kind kind) {
    var checkpoint = new Stored(kind);
    var expected = torch(checkpoint);
    var results = new HashMap<String, float[]>();
    for (var offer : Providers.offers()) {
      if (offer.refusal().isEmpty()) {
        var logits = logits(checkpoint, offer.name());
        results.put(offer.name(), logits);
        assertThat(difference(logits, expected))
            .as("%s beside torch", offer.name())
            .isLessThan(kind.tolerance());
        assertThat(difference(logits, results.get(Providers.offers().getFirst().name())))
            .as("%s beside the first", offer.name())
            .isLessThan(Math.min(kind.tolerance(), TURNED_OVER));
      }
    }
    assumeTrue(FloatVector.SPECIES_PREFERRED.length() == 16 && results.containsKey("emitted"));
    assertThat(results.get("emitted")).isEqualTo(results.get("vector"));
  }

  /**
   * Products of which one factor is blocks in codes: small ones are decoded, large ones run as
   * matrices; how many tokens take the factors one by one differs between kernels.
   */
  @Test
  void blocksInCodesAreTorchs() {
    for (int bits : new int[] {4, 8}) {
      var scheme = new IntegerScheme(bits, 32, true, Activations.NONE);
      var checkpoint =
          new Stored(new Kind("blocks", ROUNDED_INPUTS, weight -> halves(scheme, weight)));
      var expected = torch(checkpoint);
      for (var offer : Providers.offers()) {
        if (offer.refusal().isEmpty()) {
          assertThat(difference(logits(checkpoint, offer.name()), expected))
              .as(offer.name())
              .isLessThan(ROUNDED_INPUTS);
        }
      }
    }
  }

  /** A block for each half of the inputs, and the sum of what they give. */
  private static Product halves(IntegerScheme scheme, LinearWeight weight) {
    int rows = weight.rows();
    int half = weight.columns() / 2;
    var all = values(weight);
    var blocks = new float[all.length];
    for (int i = 0; i < 2 * rows; i++) {
      System.arraycopy(all, i % rows * 2 * half + i / rows * half, blocks, i * half, half);
    }
    var codes = rounded(scheme, new Dense(Tensor.ofFloats(blocks, 2 * rows, half)));
    return new Product(
        List.of(
            ModeMatrix.shared(Tensor.ofFloats(new float[] {1, 1}, 1, 2), 1, rows),
            new ModeMatrix(codes, true, false, 2, 1)));
  }

  private static float[] torch(Checkpoint checkpoint) {
    try (var torch = TorchModel.of(checkpoint);
        var logits = torch.forward(TOKENS)) {
      var all = new float[TOKENS.length * torch.vocabularySize()];
      logits.rows(0, TOKENS.length, all);
      return all;
    }
  }

  private static float[] logits(Checkpoint checkpoint, String kernels) {
    int vocabulary = checkpoint.config().vocabulary();
    var all = new float[TOKENS.length * vocabulary];
    try (var decoder =
            Decoder.load(checkpoint, Providers.choose(kernels), WORKERS, 16, EXACT, Progress.NONE);
        var sequence = decoder.newSequence(TOKENS.length)) {
      var batch = new Batch();
      for (int from = 0; from < TOKENS.length; ) {
        int to = Math.max(TOGETHER, from + 1);
        decoder.forward(batch.clear().add(sequence, TOKENS, from, to, Wanted.ALL));
        var logits = decoder.logits(0, to - from);
        for (int i = 0; i < (to - from) * vocabulary; i++) {
          all[from * vocabulary + i] = logits.getAtIndex(ValueLayout.JAVA_FLOAT, i);
        }
        from = to;
      }
    }
    return all;
  }

  private static double difference(float[] actual, float[] expected) {
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      double apart = Math.abs(actual[i] - expected[i]);
      difference = apart <= difference ? difference : apart; // NaN stays
    }
    return difference / largest;
  }

  /** The embedded model's first block, all of whose matrices but the embedding are of one kind. */
  private static final class Stored extends CheckpointView {
    private final Kind kind;
    private final Map<Address, LinearWeight> made = new HashMap<>();

    Stored(Kind kind) {
      super(embedded);
      this.kind = kind;
    }

    @Override
    public ModelConfig config() {
      return ofOneBlock(source.config());
    }

    @Override
    public LinearWeight matrix(Address address) {
      if (address.role() == Role.TOKEN_EMBEDDING) {
        return source.matrix(address);
      }
      var weight = WEIGHTS.computeIfAbsent(address, one -> new Dense(floats(source.matrix(one))));
      return made.computeIfAbsent(address, _ -> kind.stored().apply(weight));
    }
  }

  private static Tensor floats(LinearWeight weight) {
    return Tensor.ofFloats(values(weight), weight.rows(), weight.columns());
  }

  private static float[] values(LinearWeight weight) {
    var values = new float[weight.rows() * weight.columns()];
    weight.decodeRows(0, weight.rows(), values, 0);
    return values;
  }

  /** To nearest, between the least and the largest weight of each group. */
  private static LinearWeight rounded(IntegerScheme scheme, LinearWeight weight) {
    int columns = weight.columns();
    int groups = scheme.groups(columns);
    int size = columns / groups;
    var x = values(weight);
    var codes = new byte[x.length];
    var scales = new float[weight.rows() * groups];
    var zeros = new byte[scales.length];
    for (int g = 0; g < scales.length; g++) {
      float low = 0;
      float high = 0;
      for (int i = g * size; i < (g + 1) * size; i++) {
        low = Math.min(low, x[i]);
        high = Math.max(high, x[i]);
      }
      float scale =
          scheme.symmetric()
              ? Math.max(-low, high) / scheme.max()
              : (high - low) / (scheme.max() - scheme.min());
      scales[g] = Float.float16ToFloat(Float.floatToFloat16(scale));
      int zero = scheme.symmetric() ? 0 : code(scheme, scheme.min() - low / scales[g]);
      zeros[g] = (byte) zero;
      for (int i = g * size; i < (g + 1) * size; i++) {
        codes[i] = (byte) code(scheme, x[i] / scales[g] + zero);
      }
    }
    var stored = Tensor.ofFloats(scales, weight.rows(), groups).to(DType.F16, Arena.ofAuto());
    return new GroupQuantized(
        scheme, weight.rows(), columns, codes, stored, scheme.symmetric() ? null : zeros);
  }

  private static int code(IntegerScheme scheme, float position) {
    return Math.clamp(Math.round(position), scheme.min(), scheme.max());
  }

  /** To nearest, under the scale that brings the largest of a tile to the end of the type. */
  private static LinearWeight smallFloats(FloatScheme scheme, LinearWeight weight) {
    int rows = weight.rows();
    int columns = weight.columns();
    var tile = scheme.tile();
    int across = tile.across(columns);
    int high = rows / tile.down(rows);
    int wide = columns / across;
    var x = values(weight);
    var largest = new float[tile.down(rows) * across];
    for (int i = 0; i < x.length; i++) {
      int t = i / columns / high * across + i % columns / wide;
      largest[t] = Math.max(largest[t], Math.abs(x[i]));
    }
    float global = scheme.global() ? 448 / 0.5f : 1;
    for (int t = 0; t < largest.length; t++) {
      largest[t] *= global / scheme.type().reach();
    }
    long[] shape = {tile.down(rows), across};
    var scales =
        switch (scheme.scale()) {
          case FLOAT -> Tensor.ofFloats(largest, shape);
          case E4M3_GLOBAL -> Tensor.ofFloats(largest, shape).to(DType.F8_E4M3, Arena.ofAuto());
          case E8M0 -> powers(largest, shape);
        };
    var kept = scales.toFloats();
    var codes = new byte[x.length];
    for (int i = 0; i < x.length; i++) {
      int t = i / columns / high * across + i % columns / wide;
      float value = kept[t] == 0 ? 0 : x[i] * global / kept[t];
      codes[i] = scheme.type().encode(scheme.type().round(value));
    }
    return new FloatQuantized(scheme, rows, columns, codes, scales, global, Float.NaN);
  }

  /** The next power of two. */
  private static Tensor powers(float[] scales, long[] shape) {
    var bytes = Arena.ofAuto().allocate(scales.length);
    for (int i = 0; i < scales.length; i++) {
      int exponent = Math.getExponent(scales[i]) + 1;
      bytes.set(ValueLayout.JAVA_BYTE, i, (byte) (exponent + 127));
    }
    return new Tensor(DType.F8_E8M0, shape, bytes);
  }
}
