package ai.lathe.bench;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * What a multiplication costs in the kernels that factors run on, beside one of a float32 weight:
 * the table of {@code ProductCosts} in the runtime.
 *
 * <pre>tools/bench FactorCosts THREADS MEGABYTES PROVIDER,... [WORD...]</pre>
 *
 * Both in turns, A B A B, over so many megabytes of float32 weights of 2048 x 2048 and as many
 * matrices of the other kind, for 1, 8 and 512 tokens: medians of ratios. Then what a product adds
 * by its second round of threads, in float32 weights. Words choose among the kinds.
 */
final class FactorCosts {

  private static final int SIZE = 2048;

  private static final int ROUNDS = 7;

  private static final int[] TOKENS = {1, 8, 512};

  /** A factor, as the first or as the last of a product. */
  private record Kind(String name, Encoding encoding, int rows, int columns, boolean last) {

    PackedMatrix prepare(KernelProvider provider, Arena arena) {
      var weight = new FactorWeights(arena).of(encoding, rows, columns);
      return last ? provider.prepare(weight, arena) : provider.prepareFactor(weight, arena);
    }

    double multiplications() {
      return encoding instanceof Encoding.Mode mode
          ? (double) mode.outer() * mode.inner() * mode.side(rows) * mode.side(columns)
          : (double) rows * columns;
    }
  }

  private FactorCosts() {}

  public static void main(String[] args) {
    if (args.length < 3) {
      throw new LatheException("FactorCosts THREADS MEGABYTES PROVIDER,... [WORD...]");
    }
    long bytes = Long.parseLong(args[1]) << 20;
    var words = List.of(args).subList(3, args.length);
    try (var workers = new Workers(Integer.parseInt(args[0]))) {
      for (var name : args[2].split(",")) {
        var provider = Providers.choose(name);
        try (var arena = Arena.ofShared()) {
          var plain = new Kind("F32", new Encoding.Plain(DType.F32), SIZE, SIZE, true);
          int layers = (int) Math.max(1, (bytes >> 20) * (1 << 18) / (SIZE * SIZE));
          var dense = side(plain, layers, provider, workers, arena);
          for (var kind : kinds()) {
            if (words.isEmpty() || words.contains(kind.name())) {
              compare(kind, dense, layers, provider, workers);
            }
          }
        }
        if (words.isEmpty() || words.contains("handover")) {
          handOver(provider, workers);
        }
      }
    }
  }

  private static List<Kind> kinds() {
    var kinds = new ArrayList<Kind>();
    for (var type : List.of(DType.F32, DType.BF16, DType.F16)) {
      var plain = new Encoding.Plain(type);
      kinds.add(new Kind(type.name(), plain, SIZE, 512, false));
      kinds.add(new Kind(type.name(), plain, 512, SIZE, true));
      kinds.add(new Kind("SHORT", plain, SIZE, 64, false));
    }
    for (int bits : new int[] {8, 4}) {
      int group = bits == 8 ? IntegerScheme.CHANNEL : 128;
      var scheme = new IntegerScheme(bits, group, true, Activations.NONE);
      var codes = new Encoding.Grouped(scheme, DType.F16, false);
      kinds.add(new Kind("INT" + bits, codes, SIZE, 512, false));
      kinds.add(new Kind("BLOCKS_INT" + bits, mode(1, 4, true, codes), SIZE, 1024, false));
      kinds.add(new Kind("BLOCKS_INT" + bits, mode(4, 1, true, codes), 1024, SIZE, true));
    }
    // Monarch's, of four and of sixteen blocks; cores; a diagonal.
    kinds.add(new Kind("BLOCKS", mode(1, 4, true), SIZE, 1024, false));
    kinds.add(new Kind("BLOCKS", mode(4, 1, true), 1024, SIZE, true));
    kinds.add(new Kind("SHORT", mode(32, 1, true), 1024, SIZE, true));
    kinds.add(new Kind("MODES", mode(1, 32, true), SIZE, 1024, false));
    kinds.add(new Kind("MODES", mode(1, 64, false), SIZE, SIZE, false));
    kinds.add(new Kind("MODES", mode(16, 8, false), SIZE, SIZE, false));
    kinds.add(new Kind("SHORT", mode(128, 1, false), SIZE, SIZE, true));
    kinds.add(new Kind("DIAGONAL", mode(1, SIZE, true), SIZE, SIZE, true));
    return kinds;
  }

  private static Encoding mode(int outer, int inner, boolean own) {
    return mode(outer, inner, own, new Encoding.Plain(DType.F16));
  }

  private static Encoding mode(int outer, int inner, boolean own, Encoding rows) {
    return new Encoding.Mode(outer, inner, own && outer > 1, own && inner > 1, rows);
  }

  private static FactorKernels.Side side(
      Kind kind, int layers, KernelProvider provider, Workers workers, Arena arena) {
    var matrices = new ArrayList<PackedMatrix>();
    for (int i = 0; i < layers; i++) {
      matrices.add(kind.prepare(provider, arena));
    }
    return new FactorKernels.Side(matrices, workers);
  }

  private static void compare(
      Kind kind, FactorKernels.Side dense, int layers, KernelProvider provider, Workers workers) {
    try (var arena = Arena.ofShared()) {
      // As many bytes of float32, so that what is behind the last cache is there for both.
      int more = (int) Math.clamp(SIZE * (double) SIZE / kind.multiplications(), 1, 8);
      var other = side(kind, layers * more, provider, workers, arena);
      var costs = new double[TOKENS.length];
      for (int i = 0; i < TOKENS.length; i++) {
        double ratio = FactorKernels.ratio(TOKENS[i], other, dense, ROUNDS);
        costs[i] = ratio * SIZE * SIZE / kind.multiplications();
      }
      System.out.printf(
          Locale.ROOT,
          "new Cost(\"%s\", Kernel.%s, %.2f, %.2f, %.2f), %d x %d, %s%n",
          provider.name(),
          kind.name(),
          costs[0],
          costs[1],
          costs[2],
          kind.rows(),
          kind.columns(),
          other.label());
    }
  }

  /** Two factors of 32 x 2048 beside the two as one matrix. */
  private static void handOver(KernelProvider provider, Workers workers) {
    try (var arena = Arena.ofShared()) {
      var random = new FactorWeights(arena);
      var plain = new Encoding.Plain(DType.F32);
      var pair = new Encoding.Product(List.of(plain, plain), List.of(32));
      var product = provider.prepare(random.of(pair, SIZE, SIZE), arena);
      var half = provider.prepare(random.of(plain, 32, SIZE), arena);
      var both = new FactorKernels.Side(List.of(product), workers);
      var one = new FactorKernels.Side(List.of(half), workers);
      var ratios =
          Arrays.stream(TOKENS)
              .mapToDouble(tokens -> FactorKernels.ratio(tokens, both, one, FactorKernels.ROUNDS))
              .toArray();
      System.out.printf(
          Locale.ROOT,
          "%s: a product of %d weights is as fast as %.0f, %.0f and %.0f weights of one factor%n",
          provider.name(),
          64 * SIZE,
          ratios[0] * 32 * SIZE,
          ratios[1] * 32 * SIZE,
          ratios[2] * 32 * SIZE);
    }
  }
}
