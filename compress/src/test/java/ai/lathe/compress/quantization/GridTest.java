package ai.lathe.compress.quantization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static ai.lathe.compress.quantization.Problems.gram;
import static ai.lathe.compress.quantization.Problems.grid;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.BlockScales;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.block.BlockTypes;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class GridTest {

  /** By hand: 4 bits symmetric has 15 steps from -max to max; the top one is cut off. */
  @Test
  void symmetricScalesAreThoseOfCompressedTensors() {
    var weight = new Matrix(1, 4, new float[] {7.5f, -7.5f, 2.5f, 1.4f});
    var q = (GroupQuantized) Rtn.round(weight, grid(4, 4, true));
    assertThat(q.scales().toFloats()).containsExactly(1);
    assertThat(q.zeros()).isNull();
    // 7.5 is cut to 7; -7.5 and 2.5 are ties and go to the even code.
    assertThat(q.codes()).containsExactly(7, -8, 2, 1);
    assertThat(
            ((GroupQuantized) Rtn.round(new Matrix(1, 1, new float[] {-127.5f}), grid(8, 0, true)))
                .scales()
                .toFloats())
        .containsExactly(1);
  }

  @Test
  void asymmetricRangesContainZero() {
    var weight = new Matrix(2, 4, new float[] {-1, 14, 3.2f, 0, 5, 15, 10, 7});
    var q = (GroupQuantized) Rtn.round(weight, grid(4, 4, false));
    assertThat(q.scales().toFloats()).containsExactly(1, 1);
    assertThat(q.zeros()).containsExactly(-7, -8);
    assertThat(q.codes()).containsExactly(-8, 7, -4, -7, -3, 7, 2, -1);
    assertThat(q.decode().values()).containsExactly(-1, 14, 3, 0, 5, 15, 10, 7);
  }

  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16", "F32"})
  void weightsAreRoundedOnTheScaleThatIsStored(DType type) {
    var weight = gaussian(9, 64, 1);
    var scheme = new IntegerScheme(8, 32, true, Activations.NONE);
    var q = (GroupQuantized) Rtn.round(weight, new IntegerGrid(scheme, ScaleSearch.MIN_MAX, type));
    assertThat(q.scales().dtype()).isEqualTo(type);
    var scales = q.scales().toFloats();
    for (int i = 0; i < 9; i++) {
      for (int j = 0; j < 64; j++) {
        float scale = scales[i * 2 + j / 32];
        assertThat((int) q.codes()[i * 64 + j])
            .isEqualTo(Math.clamp((int) Math.rint(weight.at(i, j) / scale), -128, 127));
      }
    }
  }

  @Property(tries = 200)
  void noOtherCodeIsNearer(
      @ForAll @IntRange(min = 2, max = 8) int bits,
      @ForAll boolean symmetric,
      @ForAll ScaleSearch search,
      @ForAll long seed) {
    var weight = gaussian(3, 32, seed);
    var grid = grid(bits, 16, symmetric, search);
    var q = (GroupQuantized) Rtn.round(weight, grid);
    var decoded = q.decode();
    var scales = q.scales().toFloats();
    for (int i = 0; i < 3; i++) {
      for (int j = 0; j < 32; j++) {
        int group = i * 2 + j / 16;
        int zero = symmetric ? 0 : q.zeros()[group];
        double error = Math.abs(decoded.at(i, j) - weight.at(i, j));
        for (int code = grid.scheme().min(); code <= grid.scheme().max(); code++) {
          double other = Math.abs(scales[group] * (code - zero) - weight.at(i, j));
          assertThat(error).isLessThanOrEqualTo(other + 1e-6);
        }
      }
    }
  }

  /** The search begins with the full range, so in its own measure it cannot end up worse. */
  @Property(tries = 200)
  void searchedScalesAreNoWorseThanMinMaxOnes(
      @ForAll @IntRange(min = 2, max = 8) int bits, @ForAll boolean symmetric, @ForAll long seed) {
    var weight = gaussian(4, 64, seed);
    var plain = Rtn.round(weight, grid(bits, 64, symmetric)).decode();
    var searched = Rtn.round(weight, grid(bits, 64, symmetric, ScaleSearch.MSE)).decode();
    for (int i = 0; i < 4; i++) {
      assertThat(rowError(weight, searched, i))
          .isLessThanOrEqualTo(rowError(weight, plain, i) * (1 + 1e-6));
    }
  }

  private static double rowError(Matrix weight, Matrix decoded, int row) {
    double sum = 0;
    for (int j = 0; j < weight.columns(); j++) {
      sum += Math.pow(weight.at(row, j) - decoded.at(row, j), 2);
    }
    return sum;
  }

  @ParameterizedTest
  @ValueSource(floats = {0, 1e-12f, 1e9f, 3e38f})
  void groupsOfAnySizeOfNumberStayFinite(float magnitude) {
    var weight = new Matrix(1, 32, new float[32]);
    for (int j = 0; j < 32; j += 2) {
      weight.set(0, j, magnitude);
    }
    for (var search : ScaleSearch.values()) {
      for (boolean symmetric : new boolean[] {true, false}) {
        for (float value : Rtn.round(weight, grid(4, 32, symmetric, search)).decode().values()) {
          assertThat(value).isFinite();
          assertThat(Math.abs(value)).isLessThanOrEqualTo(Math.max(magnitude * 1.1f, 1e-7f));
        }
      }
    }
  }

  @Test
  void groupsThatDoNotDivideTheRowAreRefusedAndHaveAFallback() {
    var grid = grid(4, 128, true);
    assertThat(grid.refusal(256)).isEmpty();
    assertThat(grid.refusal(192)).contains("groups of 128 do not divide rows of 192");
    assertThatThrownBy(() -> Rtn.round(gaussian(2, 192, 1), grid))
        .isInstanceOf(LatheException.class);
    assertThat(grid.forColumns(256)).isSameAs(grid);
    assertThat(grid.forColumns(192).scheme().groupSize()).isEqualTo(64);
    assertThat(grid.forColumns(48).scheme().groupSize()).isEqualTo(16);
    assertThat(grid.forColumns(172).scheme().groupSize()).isEqualTo(IntegerScheme.CHANNEL);
    assertThat(grid(4, 0, true).forColumns(171).scheme().groupSize()).isZero();
    assertThat(grid(4, 8, true).forColumns(24).scheme().groupSize()).isEqualTo(8);
    assertThat(new BlockGrid(BlockTypes.Q4_K).refusal(384))
        .contains("blocks of 256 (Q4_K) do not divide rows of 384");
    assertThatThrownBy(() -> Rtn.round(gaussian(2, 384, 1), new BlockGrid(BlockTypes.Q4_K)))
        .isInstanceOf(LatheException.class);
  }

  static List<BlockType> blockTypes() {
    return BlockTypes.all();
  }

  @ParameterizedTest
  @MethodSource("blockTypes")
  void gptqThroughABlocksOwnScalesLosesLessThanRounding(BlockType type) {
    var grid = new BlockGrid(type);
    var layer = new Layer("l", gaussian(16, 512, 1));
    var statistics = LayerStatistics.of(2048, gram(512, 2048, 2));
    var gram = statistics.gram().orElseThrow();
    var rtn = new Rtn().solve(layer, statistics, List.of(new Rtn.Config(grid))).getFirst().weight();
    assertThat(rtn.encoding().bytes(16, 512)).isEqualTo(((BlockQuantized) rtn).blocks().byteSize());
    double lost = OutputError.relative(layer.weight(), rtn, gram);
    for (var order : List.of(ColumnOrder.NONE, ColumnOrder.STATIC)) {
      var level = List.of(new Gptq.Config(grid, order, 128, 0.01));
      var solution = new Gptq().solve(layer, statistics, level).getFirst();
      assertThat(OutputError.relative(layer.weight(), solution.weight(), gram))
          .isLessThan(0.7 * lost);
    }
    assertThatThrownBy(() -> new Gptq.Config(grid, ColumnOrder.GROUP, 128, 0.01))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("static");
  }

  /** The error that importance weighs is what it lowers: {@code sum of H_jj e_j^2}. */
  @ParameterizedTest
  @MethodSource("blockTypes")
  void roundingByImportanceLosesLessOfWhatIsImportant(BlockType type) {
    var rtn = new Rtn();
    var grid = new BlockGrid(type);
    var layer = new Layer("l", gaussian(16, 512, 1));
    var squares = new float[512];
    for (int j = 0; j < squares.length; j++) {
      squares[j] = 1 + 99 * (j % 7 / 6f) * (j % 7 / 6f);
    }
    var statistics = LayerStatistics.NONE.withSquaredNorm(squares);
    var plain = rtn.config(grid, Map.of());
    var weighed = rtn.config(grid, Map.of("importance", true));
    assertThat(rtn.requires(plain)).isEmpty();
    assertThat(rtn.requires(weighed)).containsExactly(Statistic.INPUT_SQUARED_NORM);
    var solutions = rtn.solve(layer, statistics, List.of(plain, weighed));
    var h = Matrix.zeros(512, 512);
    for (int j = 0; j < squares.length; j++) {
      h.set(j, j, squares[j]);
    }
    assertThat(solutions.get(1).fallbacks()).isEmpty();
    assertThat(OutputError.relative(layer.weight(), solutions.get(1).weight(), h))
        .isLessThan(OutputError.relative(layer.weight(), solutions.get(0).weight(), h));
  }

  @Test
  void importanceThatIsNotKnownOrNotUsedIsSaid() {
    var rtn = new Rtn();
    var layer = new Layer("l", gaussian(4, 256, 1));
    var weighed = rtn.config(new BlockGrid(BlockTypes.Q4_K), Map.of("importance", "true"));
    var solution = rtn.solve(layer, LayerStatistics.NONE, List.of(weighed)).getFirst();
    assertThat(solution.fallbacks())
        .containsExactly("nothing is known of its inputs: rounded without importance");
    assertThatThrownBy(() -> rtn.config(grid(4, 32, true), Map.of("importance", true)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("does not weigh errors by importance; GGUF's types do");
    assertThatThrownBy(() -> rtn.config(grid(4, 32, true), Map.of("importance", "much")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("true or false, not 'much'");
  }

  @Test
  void levelsNeedNotBeUniform() {
    var grid = new BlockGrid(new Powers());
    var weight = new Matrix(1, 8, new float[] {0.2f, 1.4f, 1.6f, 3.1f, 2.9f, 8, 5.9f, 6.1f});
    assertThat(Rtn.round(weight, grid).decode().values()).containsExactly(0, 1, 2, 4, 2, 8, 4, 8);
    var layer = new Layer("l", gaussian(8, 64, 3));
    var statistics = LayerStatistics.of(256, gram(64, 256, 4));
    var gram = statistics.gram().orElseThrow();
    var solution = new Gptq().solve(layer, statistics, List.of(Gptq.Config.of(grid))).getFirst();
    assertThat(OutputError.relative(layer.weight(), solution.weight(), gram))
        .isLessThan(
            0.8 * OutputError.relative(layer.weight(), Rtn.round(layer.weight(), grid), gram));
  }

  @Test
  void outputErrorIsTheTraceOfItsDefinition() {
    var weight = gaussian(3, 40, 5);
    var gram = gram(40, 100, 6);
    var q = Rtn.round(weight, grid(3, 8, true));
    var decoded = q.decode();
    double lost = 0;
    double total = 0;
    for (int i = 0; i < 3; i++) {
      for (int j = 0; j < 40; j++) {
        for (int k = 0; k < 40; k++) {
          double dj = (double) weight.at(i, j) - decoded.at(i, j);
          double dk = (double) weight.at(i, k) - decoded.at(i, k);
          lost += dj * gram.at(j, k) * dk;
          total += (double) weight.at(i, j) * gram.at(j, k) * weight.at(i, k);
        }
      }
    }
    assertThat(OutputError.relative(weight, q, gram))
        .isCloseTo(lost / total, within(1e-5 * lost / total));
  }

  /** The same over rows and columns that take several blocks, against a sum of squares. */
  @Test
  void outputErrorOfALargeLayerIsTheSquaredNormOfItsOutputs() {
    var weight = gaussian(700, 600, 5);
    var x = gaussian(600, 50, 6);
    var gram = Matrix.zeros(600, 600);
    ai.lathe.tensor.linalg.Gemm.add(
        ai.lathe.tensor.linalg.View.of(gram),
        ai.lathe.tensor.linalg.View.of(x),
        ai.lathe.tensor.linalg.View.of(x).transposed());
    var q = Rtn.round(weight, grid(4, 0, true));
    var decoded = q.decode();
    double lost = 0;
    double total = 0;
    for (int i = 0; i < 700; i++) {
      for (int t = 0; t < 50; t++) {
        double y = 0;
        double z = 0;
        for (int j = 0; j < 600; j++) {
          y += (double) weight.at(i, j) * x.at(j, t);
          z += (double) decoded.at(i, j) * x.at(j, t);
        }
        lost += (y - z) * (y - z);
        total += y * y;
      }
    }
    assertThat(OutputError.relative(weight, q, gram))
        .isCloseTo(lost / total, within(1e-4 * lost / total));
  }

  @Test
  void methodsGoByName() {
    assertThat(Quantizers.named("rtn")).isInstanceOf(Rtn.class);
    assertThat(Quantizers.named("gptq")).isInstanceOf(Gptq.class);
    assertThatThrownBy(() -> Quantizers.named("gtpq"))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("did you mean 'gptq'?");
    assertThatThrownBy(() -> new Rtn().config(grid(4, 32, true), Map.of("block_size", 1)))
        .isInstanceOf(LatheException.class);
  }

  /** Blocks of 8 weights with one float32 scale and the levels 0, 1, 2, 4, 8 with a sign. */
  private static final class Powers implements BlockType {
    private static final float[] LEVELS = {-8, -4, -2, -1, 0, 1, 2, 4, 8};

    @Override
    public String name() {
      return "POWERS";
    }

    @Override
    public int size() {
      return 8;
    }

    @Override
    public int bytes() {
      return 12;
    }

    @Override
    public int groupSize() {
      return 8;
    }

    @Override
    public int codes() {
      return LEVELS.length;
    }

    @Override
    public float level(int code) {
      return LEVELS[code];
    }

    @Override
    public BlockScales fit(float[] x, int at, float[] importance) {
      float max = 0;
      for (int i = at; i < at + 8; i++) {
        max = Math.max(max, Math.abs(x[i]));
      }
      return new BlockScales(new float[] {max / 8}, new float[] {0}, new int[0]);
    }

    @Override
    public void write(BlockScales scales, byte[] codes, int at, MemorySegment target, long offset) {
      target.set(ValueLayout.JAVA_FLOAT_UNALIGNED, offset, scales.scale()[0]);
      MemorySegment.copy(codes, at, target, ValueLayout.JAVA_BYTE, offset + 4, 8);
    }

    @Override
    public BlockScales emptyScales() {
      return new BlockScales(new float[1], new float[1], new int[0]);
    }

    @Override
    public void read(MemorySegment source, long offset, byte[] levels, int at, BlockScales scales) {
      scales.scale()[0] = source.get(ValueLayout.JAVA_FLOAT_UNALIGNED, offset);
      for (int i = 0; i < 8; i++) {
        levels[at + i] = (byte) LEVELS[source.get(ValueLayout.JAVA_BYTE, offset + 4 + i)];
      }
    }

    @Override
    public Decoder decoder() {
      return (source, offset, count, target, at) -> {
        for (int block = 0; block < count; block++) {
          decodeOne(source, offset + (long) block * bytes(), target, at + block * size());
        }
      };
    }

    private void decodeOne(MemorySegment source, long offset, float[] target, int at) {
      float scale = source.get(ValueLayout.JAVA_FLOAT_UNALIGNED, offset);
      for (int i = 0; i < 8; i++) {
        target[at + i] = scale * LEVELS[source.get(ValueLayout.JAVA_BYTE, offset + 4 + i)];
      }
    }
  }
}
