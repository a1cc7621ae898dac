package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Address;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.sparse.SparseChoice;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import com.sun.management.ThreadMXBean;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Writing a token allocates nothing on Java's heap, on no thread that computes. */
class DecodeAllocationTest {

  /** Tokens that are counted together. */
  private static final int MEASURED = 64;

  /** Until code is compiled, vectors are objects; when that is, depends on the machine. */
  private static final int MOST = 4_000;

  private static final ThreadMXBean BEAN = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @TempDir static Path folder;

  /** All that this machine can run. */
  static List<String> kernels() {
    return Providers.offers().stream()
        .filter(offer -> offer.refusal().isEmpty())
        .map(Providers.Offer::name)
        .toList();
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void aTokenAllocatesNothing(String kernels) {
    var location = EmbeddedModel.extract(folder.resolve("model")).directory().toString();
    allocatesNothing(location, Providers.choose(kernels), checkpoint -> checkpoint);
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void aTokenThroughFactorsAllocatesNothing(String kernels) {
    var location = EmbeddedModel.extract(folder.resolve("factors")).directory().toString();
    allocatesNothing(location, Providers.choose(kernels), Factored::new);
  }

  @ParameterizedTest
  @MethodSource("kernels")
  void aTokenThroughNarrowBlocksAllocatesNothing(String kernels) {
    var location = EmbeddedModel.extract(folder.resolve("narrow")).directory().toString();
    allocatesNothing(
        location,
        Providers.choose(kernels),
        source ->
            RandomNarrow.of(source, 3, new BlockWidths(400, 22, 25), new BlockWidths(256, 32, 5)));
  }

  /**
   * All but {@code vector}, whose sparse kernels cut two slices of 40 bytes from each stripe:
   * Java's compiler leaves these objects out in some runs only.
   */
  static List<String> kernelsOfSparseWeights() {
    return kernels().stream().filter(name -> !name.equals("vector")).toList();
  }

  @ParameterizedTest
  @MethodSource("kernelsOfSparseWeights")
  void aTokenThroughSparseWeightsAllocatesNothing(String kernels) {
    var location = EmbeddedModel.extract(folder.resolve("sparse")).directory().toString();
    allocatesNothing(location, Providers.choose(kernels, SparseChoice.ALWAYS), Pruned::new);
  }

  private record Kind(int group, Activations activations, Pattern pattern) {}

  /** Every matrix of a block in codes, of which half are left out. */
  private static final class Pruned extends CheckpointView {

    /** By a mask in groups and by channel, and in blocks. */
    private static final List<Kind> KINDS =
        List.of(
            new Kind(32, Activations.NONE, Pattern.UNSTRUCTURED),
            new Kind(IntegerScheme.CHANNEL, Activations.INT8_TOKEN, Pattern.UNSTRUCTURED),
            new Kind(IntegerScheme.CHANNEL, Activations.INT8_TOKEN, new Pattern.Blocks(16, 4)));

    private Pruned(Checkpoint source) {
      super(source);
    }

    @Override
    public LinearWeight matrix(Address address) {
      var weight = source.matrix(address);
      if (address.block() == Address.OUTSIDE) {
        return weight;
      }
      var kind = KINDS.get(address.block() % KINDS.size());
      int rows = weight.rows();
      int columns = weight.columns();
      var scheme = new IntegerScheme(8, kind.group(), true, kind.activations());
      var codes = new byte[rows * columns];
      new Random(rows).nextBytes(codes);
      var scales = new float[rows * scheme.groups(columns)];
      Arrays.fill(scales, 0.001f);
      var stored = Tensor.ofFloats(scales, rows, scheme.groups(columns));
      var words = new long[rows * Math.ceilDiv(columns, 64)];
      // Every other four columns, the same in all rows.
      for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
          words[i * Math.ceilDiv(columns, 64) + j / 64] |= (long) (j / 4 % 2) << j;
        }
      }
      return Sparse.of(
          new GroupQuantized(scheme, rows, columns, codes, stored, null),
          new Mask(rows, columns, words),
          kind.pattern());
    }
  }

  /** Every matrix of a block with one of low rank, and two of blocks along an index, beside it. */
  private static final class Factored extends CheckpointView {

    private Factored(Checkpoint source) {
      super(source);
    }

    @Override
    public LinearWeight matrix(Address address) {
      var weight = source.matrix(address);
      if (address.block() == Address.OUTSIDE) {
        return weight;
      }
      var u = Tensor.ofFloats(new float[weight.rows() * 4], weight.rows(), 4);
      var v = Tensor.ofFloats(new float[weight.columns() * 4], 4, weight.columns());
      var low = Product.lowRank(new Dense(u), new Dense(v));
      return new Sum(List.of(weight, low, monarch(weight.rows(), weight.columns()), cores(weight)));
    }

    /** Of four blocks and rank 1. */
    private static Product monarch(int rows, int columns) {
      return new Product(
          List.of(
              new ModeMatrix(zeros(1, 4, rows / 4, 4), 1, 4),
              new ModeMatrix(zeros(4, 1, 4, columns / 4), 4, 1)));
    }

    /** Two, of bond dimension 1. */
    private static Product cores(LinearWeight weight) {
      int rows = weight.rows() / 2;
      return new Product(
          List.of(
              new ModeMatrix(zeros(1, 1, 2, 2), 1, rows),
              new ModeMatrix(zeros(1, 1, rows, weight.columns() / 2), 2, 1)));
    }

    private static Tensor zeros(int outer, int inner, int high, int wide) {
      return Tensor.ofFloats(new float[outer * inner * high * wide], outer, inner, high, wide);
    }
  }

  private static void allocatesNothing(
      String location, KernelProvider kernels, UnaryOperator<Checkpoint> view) {
    try (var opened = Checkpoints.open(location);
        var checkpoint = view.apply(opened);
        var workers = new Workers(2);
        var decoder = Decoder.load(checkpoint, kernels, workers, 8, Progress.NONE)) {
      var writer = new Writer(decoder);
      writer.write(MEASURED);
      var threads = computing();
      assertThat(threads).hasSize(2);
      long least = Long.MAX_VALUE;
      for (int written = 0; written < MOST && least > 0; written += MEASURED) {
        long before = allocated(threads);
        writer.write(MEASURED);
        least = Math.min(least, allocated(threads) - before);
      }
      assertThat(least).as("bytes for %d tokens, at best", MEASURED).isZero();
    }
  }

  /** Greedy, on one sequence, which begins anew where its context is full. */
  private static final class Writer {
    private final Decoder decoder;
    private final Batch batch = new Batch();
    private final int[] token = {1};
    private final int vocabulary;
    private Sequence sequence;

    Writer(Decoder decoder) {
      this.decoder = decoder;
      this.vocabulary = decoder.config().vocabulary();
      this.sequence = decoder.newSequence(decoder.config().context());
    }

    void write(int tokens) {
      for (int i = 0; i < tokens; i++) {
        if (sequence.length() == decoder.config().context()) {
          sequence.truncate(0);
        }
        decoder.forward(batch.clear().add(sequence, token, 0, 1, Wanted.LAST));
        token[0] = best(decoder.logits(0, 1));
      }
    }

    private int best(MemorySegment logits) {
      int best = 0;
      for (int i = 1; i < vocabulary; i++) {
        if (logits.getAtIndex(ValueLayout.JAVA_FLOAT, i)
            > logits.getAtIndex(ValueLayout.JAVA_FLOAT, best)) {
          best = i;
        }
      }
      return best;
    }
  }

  /** This thread and the workers. */
  private static long[] computing() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(
            thread ->
                thread == Thread.currentThread() || thread.getName().startsWith("lathe-worker"))
        .mapToLong(Thread::threadId)
        .toArray();
  }

  /** Bytes, by all of them together. */
  private static long allocated(long[] threads) {
    long bytes = 0;
    for (long thread : threads) {
      bytes += BEAN.getThreadAllocatedBytes(thread);
    }
    return bytes;
  }
}
