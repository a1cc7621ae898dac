package ai.lathe.bench;

import ai.lathe.bench.FloatKernels.Peaks;
import ai.lathe.bench.FloatKernels.Run;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.block.BlockTypes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Products of integer weights alone: {@code tools/bench IntegerKernels THREADS COLUMNS ROWS
 * TOKENS...}, the providers that run here in turns; printed and timed as {@link FloatKernels} does.
 * ROWS decide whether the weights are in memory or in a cache.
 */
final class IntegerKernels {

  private IntegerKernels() {}

  public static void main(String[] args) {
    int columns = Integer.parseInt(args[1]);
    int rows = Integer.parseInt(args[2]);
    var providers =
        List.of("vector", "emitted").stream()
            .filter(name -> runs(name))
            .map(Providers::choose)
            .toList();
    try (var workers = new Workers(Integer.parseInt(args[0]))) {
      var peaks = new Peaks(workers);
      for (var weight : weights(rows, columns)) {
        var runs = new ArrayList<Run>();
        for (var provider : providers) {
          runs.add(new Run(provider.prepare(weight, Arena.ofAuto()), workers));
        }
        for (int i = 3; i < args.length; i++) {
          int tokens = Integer.parseInt(args[i]);
          runs.forEach(run -> run.start(tokens));
          for (int round = 0; round < FloatKernels.ROUNDS; round++) {
            runs.forEach(Run::sample);
            peaks.sample();
          }
          System.out.println(weight.encoding().label() + ", " + providers.size() + " providers");
          runs.forEach(Run::print);
        }
        peaks.print();
      }
    }
  }

  private static boolean runs(String name) {
    return Providers.offers().stream()
        .anyMatch(offer -> offer.name().equals(name) && offer.refusal().isEmpty());
  }

  private static List<LinearWeight> weights(int rows, int columns) {
    return List.of(
        groups(new IntegerScheme(4, 32, true, Activations.NONE), rows, columns),
        groups(new IntegerScheme(8, 32, true, Activations.NONE), rows, columns),
        groups(
            new IntegerScheme(8, IntegerScheme.CHANNEL, true, Activations.INT8_TOKEN),
            rows,
            columns),
        blocks(BlockTypes.Q4_K, rows, columns),
        blocks(BlockTypes.Q6_K, rows, columns));
  }

  private static LinearWeight groups(IntegerScheme scheme, int rows, int columns) {
    var random = new Random(1);
    var codes = new byte[rows * columns];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = (byte) (scheme.min() + random.nextInt(1 << scheme.bits()));
    }
    int groups = scheme.groups(columns);
    var scales = new float[rows * groups];
    Arrays.fill(scales, 0.01f);
    var stored = Tensor.ofFloats(scales, rows, groups).to(DType.F16, Arena.ofAuto());
    return new GroupQuantized(scheme, rows, columns, codes, stored, null);
  }

  /** One block again and again: time does not depend on what is in it. */
  private static LinearWeight blocks(BlockType type, int rows, int columns) {
    var random = new Random(1);
    var values = new float[type.size()];
    var levels = new byte[type.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
      levels[i] = (byte) random.nextInt(type.codes());
    }
    var block = new byte[type.bytes()];
    type.write(type.fit(values, 0, null), levels, 0, MemorySegment.ofArray(block), 0);
    var data = Arena.ofAuto().allocate(type.bytes(rows, columns));
    for (long at = 0; at < data.byteSize(); at += block.length) {
      MemorySegment.copy(MemorySegment.ofArray(block), 0, data, at, block.length);
    }
    return new BlockQuantized(type, rows, columns, data);
  }
}
