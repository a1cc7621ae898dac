package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.model.BlockWidths;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Arithmetic;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.ModelConfig.Window;
import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Width;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.attention.Heads;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Attention of a block as sequences grow: however tokens are cut into passes, and however many
 * threads share the work.
 */
class AttentionWorkTest {

  private static final int HEADS = 4;
  private static final int KEY_HEADS = 2;
  private static final int SIZE = 8;
  private static final int WIDTH = (HEADS + 2 * KEY_HEADS) * SIZE;

  private static final Rope ROPE = new Rope(10_000, 6, new Rope.Scaling.None());

  private static final Rope TURNED = new Rope(10_000, SIZE, new Rope.Scaling.None());

  /** Two blocks, the second with a window. */
  private static final ModelConfig CONFIG = config(ROPE, List.of());

  /** Fewer features of keys than of values, then more; heads keep other pairs. */
  private static final ModelConfig NARROW =
      config(TURNED, List.of(new BlockWidths(32, 4, 7), new BlockWidths(32, 6, 3)));

  private static final int[][][] PAIRS = {{{0, 2}, {1, 3}}, {{0, 1, 3}, {1, 2, 3}}};

  private static ModelConfig config(Rope rope, List<BlockWidths> widths) {
    return new ModelConfig(
        32,
        2,
        HEADS,
        KEY_HEADS,
        SIZE,
        32,
        Optional.empty(),
        10,
        10_000,
        1e-5,
        rope,
        true,
        0,
        Optional.of(new Window(600, List.of(false, true), rope)),
        Arithmetic.plain(Activation.SILU, SIZE),
        DType.F32,
        OptionalInt.empty(),
        OptionalInt.empty(),
        null,
        widths);
  }

  /** Queries, keys and values of a text, {@code [tokens, WIDTH]}. */
  private static float[] text(int tokens, int seed) {
    var random = new Random(seed);
    var values = new float[tokens * WIDTH];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** One block and its cache. */
  private static final class Run implements AutoCloseable {
    private final Workers workers;
    private final KvCache cache;
    private final Attention attention;
    private final int mixed;
    private final Batch batch = new Batch();

    Run(KernelProvider provider, int block, ModelKind kind, DType type, int threads) {
      this(CONFIG, null, provider, block, kind, type, threads);
    }

    Run(
        ModelConfig config,
        int[][] pairs,
        KernelProvider provider,
        int block,
        ModelKind kind,
        DType type,
        int threads) {
      workers = new Workers(threads);
      mixed = config.size(Width.MIXED_VALUES, block);
      cache =
          kind == ModelKind.ENCODER
              ? KvCache.ofNone(config)
              : KvCache.of(config, KvCache.Settings.DEFAULT.of(type));
      attention =
          new Attention(
              block,
              config,
              kind,
              null,
              null,
              new Rotary(config.rope(block)),
              pairs,
              provider.rows(),
              new AttentionWork(provider, cache, workers));
    }

    /** The next tokens of some sequences in one pass; what comes out, a row a token. */
    float[] pass(List<Sequence> sequences, List<float[]> texts, List<Integer> counts) {
      batch.clear();
      for (int i = 0; i < counts.size(); i++) {
        batch.add(sequences.get(i), new int[counts.get(i)], 0, counts.get(i), Wanted.NONE);
      }
      var rows = Arena.ofAuto().allocate(4L * batch.count() * WIDTH, 64);
      for (int i = 0; i < batch.chunks(); i++) {
        var chunk = batch.chunk(i);
        MemorySegment.copy(
            texts.get(i),
            chunk.position() * WIDTH,
            rows,
            ValueLayout.JAVA_FLOAT,
            4L * chunk.row() * WIDTH,
            chunk.count() * WIDTH);
        chunk.sequence().reserve(chunk.count());
      }
      var out = Arena.ofAuto().allocate(4L * batch.count() * mixed, 64);
      attention.forward(
          batch,
          new Heads(rows, 0, WIDTH, SIZE, HEADS),
          new Heads(rows, HEADS * SIZE, WIDTH, SIZE, KEY_HEADS),
          new Heads(rows, (HEADS + KEY_HEADS) * SIZE, WIDTH, SIZE, KEY_HEADS),
          out);
      for (int i = 0; i < batch.chunks(); i++) {
        batch.advance(i);
      }
      return out.toArray(ValueLayout.JAVA_FLOAT);
    }

    /** A text in passes of so many tokens. */
    float[] read(float[] text, int... passes) {
      var results = new ArrayList<float[]>();
      try (var sequence = cache.open(0)) {
        for (int count : passes) {
          results.add(pass(List.of(sequence), List.of(text), List.of(count)));
        }
      }
      return joined(results);
    }

    @Override
    public void close() {
      cache.close();
      workers.close();
    }
  }

  private static float[] joined(List<float[]> parts) {
    var all = new float[parts.stream().mapToInt(p -> p.length).sum()];
    int at = 0;
    for (var part : parts) {
      System.arraycopy(part, 0, all, at, part.length);
      at += part.length;
    }
    return all;
  }

  private static int[] repeat(int count, int times) {
    var passes = new int[times];
    Arrays.fill(passes, count);
    return passes;
  }

  private static double difference(float[] a, float[] b) {
    assertThat(a).hasSameSizeAs(b);
    double most = 0;
    for (int i = 0; i < a.length; i++) {
      double difference = Math.abs(a[i] - b[i]);
      most = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(most, difference);
    }
    return most;
  }

  /** Long enough for several spans, and for a window to have left the first ones. */
  @Test
  void howTokensAreCutDoesNotMatter() {
    var text = text(1300, 1);
    for (int block = 0; block < 2; block++) {
      try (var scalar = new Run(new ScalarProvider(), block, ModelKind.DECODER, DType.F32, 2);
          var vector = new Run(new VectorProvider(), block, ModelKind.DECODER, DType.F32, 2)) {
        var once = vector.read(text, 1300);
        assertThat(difference(once, scalar.read(text, 1300))).isLessThan(5e-6);
        assertThat(difference(once, vector.read(text, repeat(100, 13)))).isLessThan(5e-6);
        assertThat(difference(once, vector.read(text, repeat(1, 1300)))).isLessThan(5e-6);
        assertThat(difference(once, vector.read(text, 1, 63, 2, 62, 500, 7, 665))).isLessThan(5e-6);
        assertThat(difference(once, scalar.read(text, 1288, 6, 5, 1))).isLessThan(5e-6);
      }
    }
  }

  @Test
  void headsOfOtherSizesAreCutAsWell() {
    var text = text(1100, 12);
    for (int block = 0; block < 2; block++) {
      try (var scalar = narrow(new ScalarProvider(), block);
          var vector = narrow(new VectorProvider(), block)) {
        var once = scalar.read(text, 1100);
        assertThat(difference(once, vector.read(text, 1100))).isLessThan(5e-6);
        assertThat(difference(once, vector.read(text, 1, 63, 2, 62, 500, 7, 463, 1, 1)))
            .isLessThan(5e-6);
        assertThat(difference(once, scalar.read(text, 1088, 6, 5, 1))).isLessThan(5e-6);
      }
    }
  }

  private static Run narrow(KernelProvider provider, int block) {
    return new Run(NARROW, PAIRS[block], provider, block, ModelKind.DECODER, DType.F32, 2);
  }

  @Test
  void anyNumberOfThreadsGivesTheSameBits() {
    var text = text(1300, 2);
    for (var provider : List.of(new ScalarProvider(), new VectorProvider())) {
      var results = new ArrayList<float[]>();
      for (int threads : new int[] {1, 2, 5}) {
        try (var run = new Run(provider, 0, ModelKind.DECODER, DType.F16, threads)) {
          results.add(run.read(text, 1200, 90, 3, 1, 1, 5));
        }
      }
      assertThat(results.get(1)).isEqualTo(results.get(0));
      assertThat(results.get(2)).isEqualTo(results.get(0));
    }
  }

  /** Sequences of any lengths in one pass give the bits that each gives alone. */
  @Test
  void sequencesOfABatchDoNotMatterToEachOther() {
    var texts = List.of(text(700, 3), text(90, 4), text(1, 5), text(640, 6));
    try (var run = new Run(new VectorProvider(), 1, ModelKind.DECODER, DType.F16, 2)) {
      var sequences = texts.stream().map(_ -> run.cache.open(0)).toList();
      var together = new ArrayList<float[]>();
      together.add(run.pass(sequences, texts, List.of(650, 20, 1, 600)));
      var going = List.of(sequences.get(0), sequences.get(1), sequences.get(3));
      var rest = List.of(texts.get(0), texts.get(1), texts.get(3));
      together.add(run.pass(going, rest, List.of(50, 70, 40)));
      var first = run.read(texts.get(0), 650, 50);
      int width = HEADS * SIZE;
      assertThat(Arrays.copyOf(together.get(0), 650 * width))
          .isEqualTo(Arrays.copyOf(first, 650 * width));
      assertThat(Arrays.copyOf(together.get(1), 50 * width))
          .isEqualTo(Arrays.copyOfRange(first, 650 * width, 700 * width));
      var last = run.read(texts.get(3), 600, 40);
      assertThat(Arrays.copyOfRange(together.get(1), 120 * width, 160 * width))
          .isEqualTo(Arrays.copyOfRange(last, 600 * width, 640 * width));
    }
  }

  @Test
  void encodersSeeTheWholeText() {
    var texts = List.of(text(130, 7), text(3, 8), text(64, 9));
    var counts = List.of(130, 3, 64);
    try (var scalar = new Run(new ScalarProvider(), 1, ModelKind.ENCODER, DType.F32, 1);
        var vector = new Run(new VectorProvider(), 1, ModelKind.ENCODER, DType.F32, 2)) {
      var ours = vector.pass(texts.stream().map(_ -> vector.cache.open(0)).toList(), texts, counts);
      var theirs =
          scalar.pass(texts.stream().map(_ -> scalar.cache.open(0)).toList(), texts, counts);
      assertThat(difference(ours, theirs)).isLessThan(5e-6);
      // The first token of the first text sees the last: it changes with it.
      texts.get(0)[130 * WIDTH - 1] += 10;
      var changed =
          vector.pass(texts.stream().map(_ -> vector.cache.open(0)).toList(), texts, counts);
      assertThat(
              difference(Arrays.copyOf(changed, SIZE * HEADS), Arrays.copyOf(ours, SIZE * HEADS)))
          .isGreaterThan(1e-4);
    }
  }

  @Test
  void aKeyBeyondTheCachesTypeIsNamed() {
    var text = text(3, 10);
    text[WIDTH + (HEADS + KEY_HEADS) * SIZE] = 1e6f;
    try (var run = new Run(new VectorProvider(), 1, ModelKind.DECODER, DType.F16, 1)) {
      assertThatThrownBy(() -> run.read(text, 3))
          .isInstanceOf(LatheException.class)
          .hasMessage(
              "block 1 has keys or values of 1.00e+06, more than a key-value cache in float16 can"
                  + " hold; keep it in float32");
    }
    try (var run = new Run(new VectorProvider(), 1, ModelKind.DECODER, DType.BF16, 1)) {
      assertThat(run.read(text, 3)).hasSize(3 * HEADS * SIZE);
    }
  }

  /** A token after the first ones costs no objects. */
  @Test
  void aTokenAllocatesNothing() {
    var text = text(700, 11);
    try (var run = new Run(new VectorProvider(), 0, ModelKind.DECODER, DType.F16, 1);
        var sequence = run.cache.open(0)) {
      run.pass(List.of(sequence), List.of(text), List.of(600));
      var heads = heads(text);
      var out = Arena.ofAuto().allocate(4L * HEADS * SIZE, 64);
      var token = new int[1];
      var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
      long most = Long.MAX_VALUE;
      // The least of several rounds: what the machine itself allocates meanwhile is not ours.
      for (int round = 0; round < 40; round++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        sequence.reserve(1);
        run.batch.clear().add(sequence, token, 0, 1, Wanted.NONE);
        run.attention.forward(run.batch, heads[0], heads[1], heads[2], out);
        run.batch.advance(0);
        most = Math.min(most, threads.getCurrentThreadAllocatedBytes() - before);
      }
      assertThat(most).isZero();
    }
  }

  private static Heads[] heads(float[] text) {
    var rows = Arena.ofAuto().allocate(4L * WIDTH, 64);
    MemorySegment.copy(text, 0, rows, ValueLayout.JAVA_FLOAT, 0, WIDTH);
    return new Heads[] {
      new Heads(rows, 0, WIDTH, SIZE, HEADS),
      new Heads(rows, HEADS * SIZE, WIDTH, SIZE, KEY_HEADS),
      new Heads(rows, (HEADS + KEY_HEADS) * SIZE, WIDTH, SIZE, KEY_HEADS)
    };
  }
}
