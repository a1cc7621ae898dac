package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.sparse.SparseChoice;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A trained decoder half of whose weights are zero: its logits do not depend on whether the zeros
 * are stored and multiplied, or left out, by a single bit.
 */
class SparseModelTest {

  private static final Workers WORKERS = new Workers(2);

  /** Read together, then one by one: kernels of many tokens and of few. */
  private static final int[] TOKENS = {0, 300, 17, 512, 80, 5, 900, 44, 301, 18, 7, 66};

  private static final int TOGETHER = 9;

  @TempDir static Path folder;

  private static Checkpoint embedded;

  @BeforeAll
  static void open() {
    embedded = Checkpoints.open(EmbeddedModel.extract(folder.resolve("model")).directory());
  }

  @AfterAll
  static void close() {
    embedded.close();
    WORKERS.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"unstructured", "2:4", "16x4"})
  void zerosThatAreLeftOutChangeNothing(String pattern) {
    var pruned = new Pruned(Pattern.parse(pattern));
    for (var offer : Providers.offers()) {
      if (offer.refusal().isEmpty()) {
        assertThat(logits(pruned, offer.name()))
            .as("%s, %s", offer.name(), pattern)
            .isEqualTo(logits(pruned.withItsZeros(), offer.name()));
      }
    }
  }

  private static float[] logits(Checkpoint checkpoint, String kernels) {
    int vocabulary = checkpoint.config().vocabulary();
    var all = new float[TOKENS.length * vocabulary];
    var settings = KvCache.Settings.DEFAULT;
    var provider = Providers.choose(kernels, SparseChoice.ALWAYS);
    try (var decoder = Decoder.load(checkpoint, provider, WORKERS, 16, settings, Progress.NONE);
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

  /** The embedded model; its blocks' matrices as int8 by row, the less half of each left out. */
  private static final class Pruned extends CheckpointView {
    private final Pattern pattern;
    private final Map<Address, Sparse> made = new HashMap<>();

    Pruned(Pattern pattern) {
      super(embedded);
      this.pattern = pattern;
    }

    @Override
    public LinearWeight matrix(Address address) {
      return address.block() == Address.OUTSIDE
          ? source.matrix(address)
          : made.computeIfAbsent(address, one -> pruned(source.matrix(one).decode()));
    }

    Checkpoint withItsZeros() {
      return new CheckpointView(embedded) {
        @Override
        public LinearWeight matrix(Address address) {
          var weight = Pruned.this.matrix(address);
          return weight instanceof Sparse sparse ? sparse.dense() : weight;
        }
      };
    }

    private Sparse pruned(Matrix weight) {
      return Sparse.of(rounded(weight), mask(weight), pattern);
    }

    private Mask mask(Matrix weight) {
      // What competes: all blocks of a matrix, or the members of a group; a unit is a block.
      int high = pattern instanceof Pattern.Blocks(int rows, _) ? rows : 1;
      int wide = pattern instanceof Pattern.Blocks(_, int columns) ? columns : 1;
      int across = weight.columns() / wide;
      int units = weight.rows() / high * across;
      int together = pattern instanceof Pattern.SemiStructured(_, int of) ? of : units;
      var sizes = new double[units];
      for (int i = 0; i < weight.rows(); i++) {
        for (int j = 0; j < weight.columns(); j++) {
          sizes[i / high * across + j / wide] += Math.abs(weight.at(i, j));
        }
      }
      var kept = new boolean[units];
      for (int from = 0; from < units; from += together) {
        IntStream.range(from, from + together)
            .boxed()
            .sorted(Comparator.comparingDouble(unit -> -sizes[unit]))
            .limit(together / 2)
            .forEach(unit -> kept[unit] = true);
      }
      int words = Math.ceilDiv(weight.columns(), 64);
      var bits = new long[weight.rows() * words];
      for (int i = 0; i < weight.rows(); i++) {
        for (int j = 0; j < weight.columns(); j++) {
          if (kept[i / high * across + j / wide]) {
            bits[i * words + (j >> 6)] |= 1L << j;
          }
        }
      }
      return new Mask(weight.rows(), weight.columns(), bits);
    }

    private static GroupQuantized rounded(Matrix weight) {
      int columns = weight.columns();
      var scheme = new IntegerScheme(8, IntegerScheme.CHANNEL, true, Activations.INT8_TOKEN);
      var codes = new byte[weight.values().length];
      var scales = new float[weight.rows()];
      for (int i = 0; i < weight.rows(); i++) {
        var row = Arrays.copyOfRange(weight.values(), i * columns, (i + 1) * columns);
        float largest = 0;
        for (float value : row) {
          largest = Math.max(largest, Math.abs(value));
        }
        scales[i] = Float.float16ToFloat(Float.floatToFloat16(largest / 127));
        for (int j = 0; j < columns; j++) {
          codes[i * columns + j] = (byte) Math.clamp(Math.round(row[j] / scales[i]), -128, 127);
        }
      }
      var stored = Tensor.ofFloats(scales, weight.rows(), 1).to(DType.F16, Arena.ofAuto());
      return new GroupQuantized(scheme, weight.rows(), columns, codes, stored, null);
    }
  }
}
