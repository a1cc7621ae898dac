package ai.lathe.bench;

import ai.lathe.model.Address;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Site;
import ai.lathe.torch.GramAccumulator;
import ai.lathe.torch.InputListener;
import ai.lathe.torch.Precision;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchBlock;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * How near calibration comes to the speed of LibTorch's own matrix product: a block of TinyLlama
 * over a batch, with and without Gram statistics, in turn with a plain product in the same run.
 *
 * <pre>CalibrationBench [THREADS [ROUNDS]]</pre>
 *
 * Operations counted are those that must be done: two for each weight and token, causal attention's
 * half, and the Gram matrices' upper triangle.
 */
public final class CalibrationBench {

  private static final LlamaShape SHAPE = LlamaShape.TINY_LLAMA;
  private static final int SEQUENCES = 8;
  private static final int LENGTH = 512;
  private static final long TOKENS = (long) SEQUENCES * LENGTH;

  private CalibrationBench() {}

  public static void main(String[] arguments) {
    int threads =
        arguments.length > 0
            ? Integer.parseInt(arguments[0])
            : Runtime.getRuntime().availableProcessors();
    int rounds = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 7;
    Torch.threads(threads);
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      run(threads, rounds);
    }
  }

  private static void run(int threads, int rounds) {
    var llama = Architectures.forModelType("llama");
    var block = block(llama);
    var hidden = torch.randn(SEQUENCES, LENGTH, SHAPE.hidden());
    var left = torch.randn(TOKENS, SHAPE.hidden());
    var right = torch.randn(SHAPE.hidden(), SHAPE.feedForward());
    var product = new double[rounds];
    var forward = new double[rounds];
    var calibration = new double[rounds];
    double productWork = 2.0 * TOKENS * SHAPE.hidden() * SHAPE.feedForward();
    try (var grams = new Grams(llama)) {
      for (int round = -1; round < rounds; round++) {
        double a = rate(productWork, () -> torch.mm(left, right));
        double b = rate(forwardWork(llama), () -> block.forward(hidden, null, null));
        double c =
            rate(forwardWork(llama) + grams.work(), () -> block.forward(hidden, null, grams));
        if (round >= 0) { // the first round warms up
          product[round] = a;
          forward[round] = b;
          calibration[round] = c;
        }
      }
    }
    double reference = median(product);
    System.out.printf(
        Locale.ROOT,
        "%d threads, %d tokens, medians of %d rounds%n"
            + "  matrix product            %6.1f GFLOP/s%n"
            + "  block forward             %6.1f GFLOP/s  %3.0f %%%n"
            + "  forward with four Grams   %6.1f GFLOP/s  %3.0f %%%n",
        threads,
        TOKENS,
        rounds,
        reference,
        median(forward),
        100 * median(forward) / reference,
        median(calibration),
        100 * median(calibration) / reference);
  }

  private static double rate(double work, Runnable task) {
    try (var _ = new PointerScope()) {
      long start = System.nanoTime();
      task.run();
      return work / (System.nanoTime() - start);
    }
  }

  private static double median(double[] values) {
    var sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  private static double forwardWork(Architecture llama) {
    var config = SHAPE.config();
    double weights = 0;
    for (var linear : llama.linears()) {
      weights += (double) config.size(linear.rows(), 0) * config.size(linear.columns(), 0);
    }
    double attention = 2.0 * TOKENS * LENGTH * SHAPE.hidden();
    return 2 * TOKENS * weights + attention;
  }

  private static TorchBlock block(Architecture llama) {
    var config = SHAPE.config();
    var tensors = new HashMap<Address, Tensor>();
    for (var parameter : config.parameters(llama, 0)) {
      int rows = config.size(parameter.rows(), 0);
      var tensor = torch.ones(rows);
      if (parameter.isMatrix()) {
        int columns = config.size(parameter.columns(), 0);
        tensor = torch.randn(rows, columns).mul_(new Scalar(1 / Math.sqrt(columns)));
      }
      tensors.put(Address.weight(0, parameter.role()), tensor);
    }
    return TorchBlock.of(
        llama, config, 0, Precision.FLOAT32, address -> Optional.ofNullable(tensors.get(address)));
  }

  /** An accumulator for every input that linears share. */
  private static final class Grams implements InputListener, AutoCloseable {
    private final Map<Site, GramAccumulator> sites = new HashMap<>();
    private double work;

    Grams(Architecture llama) {
      for (var linear : llama.linears()) {
        int size = SHAPE.config().size(linear.columns(), 0);
        var site = Site.of(linear.reads());
        if (!sites.containsKey(site)) {
          sites.put(site, new GramAccumulator(size));
          work += (double) TOKENS * size * (size + 1);
        }
      }
    }

    double work() {
      return work;
    }

    @Override
    public void input(Site site, Tensor input, Tensor padding) {
      sites.get(site).add(input, padding);
    }

    @Override
    public void close() {
      sites.values().forEach(GramAccumulator::close);
    }
  }
}
