package ai.lathe.bench;

import ai.lathe.compress.factorization.FactorizationMethod;
import ai.lathe.compress.factorization.Factorizations;
import ai.lathe.compress.factorization.Factors;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Random weights of the shapes that a factorization method leaves: time does not depend on what the
 * numbers are. All copies of one weight have memory of their own.
 */
final class FactorWeights {

  /** Values are repeated after so many. */
  private static final int PERIOD = 1 << 18;

  private static final float[] VALUES = values();

  private final Arena arena;

  /**
   * @param arena of the values
   */
  FactorWeights(Arena arena) {
    this.arena = arena;
  }

  private static float[] values() {
    var random = new SplittableRandom(1);
    var values = new float[PERIOD];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (0.02 * random.nextGaussian());
    }
    return values;
  }

  /**
   * How a level is stored.
   *
   * @param level {@code svd:0.5}, {@code rocket:0.5:ratio=2}, {@code svd:0.5+W8A16}
   * @throws LatheException where the method refuses this shape
   */
  static Encoding encoding(String level, DType type, int rows, int columns) {
    var parts = level.split("\\+W");
    Optional<IntegerScheme> codes =
        parts.length == 1
            ? Optional.empty()
            : Optional.of(
                new IntegerScheme(
                    parts[1].charAt(0) - '0', IntegerScheme.CHANNEL, true, Activations.NONE));
    var words = parts[0].split(":");
    Map<String, String> settings =
        Stream.of(words)
            .skip(2)
            .map(word -> word.split("="))
            .collect(Collectors.toMap(word -> word[0], word -> word[1]));
    var removed = new Removal(Double.parseDouble(words[1]));
    var method = Factorizations.named(words[0]);
    return encoding(method, removed, new Factors(type, codes), settings, rows, columns);
  }

  private static <C extends SolverConfig> Encoding encoding(
      FactorizationMethod<C> method,
      Removal removed,
      Factors factors,
      Map<String, String> settings,
      int rows,
      int columns) {
    var config = method.config(removed, factors, settings);
    method
        .refusal(rows, columns, config)
        .ifPresent(
            why -> {
              throw new LatheException(method.name() + ": " + why);
            });
    return method.encoding(config, rows, columns);
  }

  LinearWeight of(Encoding encoding, int rows, int columns) {
    return switch (encoding) {
      case Encoding.Plain(DType type) -> new Dense(tensor(type, rows, columns));
      case Encoding.Grouped(IntegerScheme scheme, DType scales, _) ->
          codes(scheme, scales, rows, columns);
      case Encoding.Sparse sparse ->
          Sparse.of(
              of(sparse.values(), rows, columns),
              mask(rows, columns, sparse.kept(rows, columns)),
              sparse.pattern());
      case Encoding.Mode mode ->
          new ModeMatrix(
              of(mode.blocks(), (int) mode.count() * mode.side(rows), mode.side(columns)),
              mode.ofOuter(),
              mode.ofInner(),
              mode.outer(),
              mode.inner());
      case Encoding.Product(var factors, var inner) -> {
        var all = new ArrayList<LinearWeight>();
        for (int i = 0; i < factors.size(); i++) {
          int above = i == 0 ? rows : inner.get(i - 1);
          int below = i == inner.size() ? columns : inner.get(i);
          all.add(of(factors.get(i), above, below));
        }
        yield new Product(all);
      }
      default -> throw new LatheException("no random weights of " + encoding.label());
    };
  }

  private Tensor tensor(DType type, long... shape) {
    long size = Arrays.stream(shape).reduce(1, Math::multiplyExact);
    var data = arena.allocate(type.bytes(size), 64);
    for (long at = 0; at < size; at += PERIOD) {
      Tensor.putFloats(type, VALUES, (int) Math.min(PERIOD, size - at), data, at);
    }
    return new Tensor(type, shape, data);
  }

  private LinearWeight codes(IntegerScheme scheme, DType type, int rows, int columns) {
    var random = new SplittableRandom(2);
    var codes = new byte[Math.multiplyExact(rows, columns)];
    for (int i = 0; i < codes.length; i++) {
      codes[i] =
          i < PERIOD
              ? (byte) (scheme.min() + random.nextInt(1 << scheme.bits()))
              : codes[i - PERIOD];
    }
    var scales = new float[rows * scheme.groups(columns)];
    Arrays.fill(scales, 0.01f);
    var stored = Tensor.ofFloats(scales, rows, scheme.groups(columns)).to(type, arena);
    return new GroupQuantized(scheme, rows, columns, codes, stored, null);
  }

  /** So many weights in all, anywhere. */
  private static Mask mask(int rows, int columns, long kept) {
    var random = new SplittableRandom(3);
    int words = Math.ceilDiv(columns, 64);
    var bits = new long[rows * words];
    long left = kept;
    for (long i = 0, all = (long) rows * columns; i < all; i++) {
      if (random.nextLong(all - i) < left) {
        int column = (int) (i % columns);
        bits[(int) (i / columns) * words + column / 64] |= 1L << column;
        left--;
      }
    }
    return new Mask(rows, columns, bits);
  }
}
