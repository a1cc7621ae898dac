package ai.lathe.bench;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.block.BlockTypes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Products of one integer weight with the vector provider: {@code tools/bench IntegerKernelBench
 * ROWS COLUMNS THREADS TOKENS[,TOKENS...] TYPE...}, a type being one of GGUF or {@code int8}, which
 * is W8A8 by channel. So many matrices take turns that they do not stay in a cache. Rates are best
 * and median of wall time, input rounding included, and the best of processor time, which other
 * processes disturb less.
 */
final class IntegerKernelBench {

  private static final int ROUNDS = 11;
  private static final long CACHE = 512L << 20;
  private static final double SECONDS = 0.1;
  private static final double WARM = 1.5;

  private IntegerKernelBench() {}

  public static void main(String[] args) {
    int rows = Integer.parseInt(args[0]);
    int columns = Integer.parseInt(args[1]);
    int threads = Integer.parseInt(args[2]);
    var tokens = Arrays.stream(args[3].split(",")).mapToInt(Integer::parseInt).toArray();
    try (var workers = new Workers(threads)) {
      for (int i = 4; i < args.length; i++) {
        var matrices = matrices(weight(args[i], rows, columns));
        for (int count : tokens) {
          time(args[i], matrices, count, workers);
        }
      }
    }
  }

  private static LinearWeight weight(String type, int rows, int columns) {
    var random = new Random(1);
    if (type.equals("int8")) {
      var codes = new byte[rows * columns];
      random.nextBytes(codes);
      var scales = new float[rows];
      Arrays.fill(scales, 0.001f);
      var scheme = new IntegerScheme(8, IntegerScheme.CHANNEL, true, Activations.INT8_TOKEN);
      var stored = Tensor.ofFloats(scales, rows, 1).to(DType.BF16, Arena.ofAuto());
      return new GroupQuantized(scheme, rows, columns, codes, stored, null);
    }
    var block = BlockTypes.named(type);
    var x = new float[block.size()];
    var codes = new byte[block.size()];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian() * 0.05f;
      codes[i] = (byte) random.nextInt(block.codes());
    }
    var one = MemorySegment.ofArray(new byte[block.bytes()]);
    block.write(block.fit(x, 0, null), codes, 0, one, 0);
    var blocks = Arena.ofAuto().allocate(block.bytes(rows, columns));
    for (long at = 0; at < blocks.byteSize(); at += block.bytes()) {
      MemorySegment.copy(one, 0, blocks, at, block.bytes());
    }
    return new BlockQuantized(block, rows, columns, blocks);
  }

  private static PackedMatrix[] matrices(LinearWeight weight) {
    var provider = new VectorProvider();
    var first = provider.prepare(weight, Arena.ofAuto());
    var matrices = new PackedMatrix[(int) Math.max(1, CACHE / first.bytes())];
    matrices[0] = first;
    for (int i = 1; i < matrices.length; i++) {
      matrices[i] = provider.prepare(weight, Arena.ofAuto());
    }
    return matrices;
  }

  private static void time(String type, PackedMatrix[] matrices, int tokens, Workers workers) {
    var first = matrices[0];
    var random = new Random(2);
    var x = Arena.ofAuto().allocate(4L * tokens * first.columns(), 64);
    for (long i = 0; i < (long) tokens * first.columns(); i++) {
      x.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
    }
    var y = Arena.ofAuto().allocate(4L * tokens * first.rows(), 64);
    var input = new Input(workers);
    var bean = ManagementFactory.getThreadMXBean();
    var busy = new AtomicLong();
    int turn = 0;
    int repeats = 1;
    var wall = new double[ROUNDS];
    double least = Double.POSITIVE_INFINITY;
    // Warm where so much processor time has gone into it: compilers need theirs besides.
    double warm = 0;
    for (int round = -1; round < ROUNDS; ) {
      busy.set(0);
      long start = System.nanoTime();
      for (int i = 0; i < repeats; i++) {
        var matrix = matrices[turn++ % matrices.length];
        input.set(x, tokens, first.columns());
        long own = bean.getCurrentThreadCpuTime();
        matrix.prepare(input);
        busy.addAndGet(workers.count() * (bean.getCurrentThreadCpuTime() - own));
        workers.run(
            (part, parts) -> {
              long from = bean.getCurrentThreadCpuTime();
              multiply(matrix, input, part, parts, y);
              busy.addAndGet(bean.getCurrentThreadCpuTime() - from);
            });
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      double used = busy.get() / 1e9 / workers.count();
      if (round < 0) {
        warm += used;
        repeats = (int) Math.max(1, repeats * Math.min(10, SECONDS / used));
        round = warm < WARM ? -1 : 0;
      } else {
        wall[round++] = seconds / repeats;
        least = Math.min(least, used / repeats);
      }
    }
    Arrays.sort(wall);
    double bytes = first.bytes() / 1e9;
    double operations = 2.0 * tokens * first.rows() * first.columns() / 1e9;
    System.out.printf(
        "%-7s %d x %d, %d tokens: %.1f / %.1f GB/s, %.0f / %.0f GOP/s; by processor time %.1f GB/s,"
            + " %.0f GOP/s%n",
        type,
        first.rows(),
        first.columns(),
        tokens,
        bytes / wall[0],
        bytes / wall[ROUNDS / 2],
        operations / wall[0],
        operations / wall[ROUNDS / 2],
        bytes / least,
        operations / least);
  }

  private static void multiply(
      PackedMatrix matrix, Input input, int part, int parts, MemorySegment y) {
    int stripes = Math.ceilDiv(matrix.rows(), matrix.stripe());
    int from = (int) ((long) stripes * part / parts) * matrix.stripe();
    int to = Math.min((int) ((long) stripes * (part + 1) / parts) * matrix.stripe(), matrix.rows());
    matrix.multiply(input, from, to, y, 0, matrix.rows());
  }
}
