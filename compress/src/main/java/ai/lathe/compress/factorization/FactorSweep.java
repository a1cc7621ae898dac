package ai.lathe.compress.factorization;

import ai.lathe.compress.quantization.ColumnSweep;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.InverseFactor;
import ai.lathe.compress.quantization.InverseFactors;
import ai.lathe.compress.quantization.MaskedQuantizer;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.View;
import java.util.List;
import java.util.Optional;

/**
 * Codes for two factors {@code B A} by GPTQ, each under the metric of what it reads: {@code A}
 * reads the layer's inputs, so its own is {@code H}; {@code B} reads {@code A x}, so its own is
 * {@code A H A^T}.
 *
 * <p>They take turns. One is fitted to the other as it is stored, by least squares, and rounded;
 * then the other to this one. {@code B} goes first, and {@code A} last, whose rows weigh hardly
 * anything in each other's errors: {@code B^T B} is nearly diagonal. Of all pairs that come about
 * the one with the least error of the layer's outputs is kept.
 */
final class FactorSweep {

  /** Times that each is rounded; more of them gain less than a hundredth of what the first do. */
  private static final int ROUNDS = 2;

  private final Matrix weight;
  private final InverseFactors inputs;
  private final IntegerGrid ofOuter;
  private final IntegerGrid ofInner;
  private final Optional<Mask> mask;
  private double least = Double.POSITIVE_INFINITY;
  private Product best;

  /**
   * @param weight {@code [out, in]}
   * @param mask of what {@code B} has; empty where it is dense
   */
  FactorSweep(
      Matrix weight,
      InverseFactors inputs,
      IntegerGrid ofOuter,
      IntegerGrid ofInner,
      Optional<Mask> mask) {
    this.weight = weight;
    this.inputs = inputs;
    this.ofOuter = ofOuter;
    this.ofInner = ofInner;
    this.mask = mask;
  }

  /**
   * @param outer {@code B [out, r]}; 0 where the mask says so
   * @param inner {@code A [r, in]}, the best for it
   */
  Product solve(Matrix outer, Matrix inner) {
    var read = Weighted.of(inner, inputs.gram());
    var scales = Factors.scales(outer, lengths(read.gram()));
    var first = outer(scaled(outer, scales), divided(read.gram(), scales));
    for (int round = 0; round < ROUNDS; round++) {
      var decoded = first.decode();
      var second = inner(Doubles.leastSquares(decoded, weight));
      keep(first, decoded, second);
      if (round + 1 < ROUNDS) {
        first = outerFor(second, decoded);
        keep(first, first.decode(), second);
      }
    }
    return best;
  }

  /**
   * {@code B} for {@code A} as it is stored.
   *
   * @param near what it was before; its zeros are those of the mask
   */
  LinearWeight outerFor(LinearWeight second, Matrix near) {
    var read = Weighted.of(second.decode(), inputs.gram());
    var target = product(View.of(weight), View.of(read.times()).transposed());
    var fitted =
        mask.map(kept -> Doubles.leastSquares(near, kept, target, read.gram()))
            .orElseGet(() -> Doubles.leastSquaresOfRows(target, read.gram()));
    return outer(fitted, read.gram());
  }

  private void keep(LinearWeight first, Matrix decoded, LinearWeight second) {
    var rest = weight.copy();
    Gemm.subtract(View.of(rest), View.of(decoded), View.of(second.decode()));
    double error = OutputError.energy(rest, inputs.gram());
    // An error that is no number beats nothing, but something must be kept.
    if (best == null || error < least) {
      least = error;
      best = new Product(List.of(first, second));
    }
  }

  private LinearWeight inner(Matrix a) {
    return rounded(a, inputs.of(Gptq.Config.of(ofInner)), ofInner);
  }

  /** What rounding in this metric needs. */
  static InverseFactor inverse(Matrix gram, IntegerGrid grid) {
    return InverseFactor.of(gram, true, Gptq.Config.of(grid).dampening());
  }

  static LinearWeight rounded(Matrix values, InverseFactor factor, IntegerGrid grid) {
    var sweep = new ColumnSweep(values, factor, Gptq.Config.of(grid));
    var quantizer = sweep.quantizer();
    sweep.run(quantizer, 0, values.rows());
    return quantizer.finish();
  }

  private LinearWeight outer(Matrix b, Matrix gram) {
    var factor = inverse(gram, ofOuter);
    if (mask.isEmpty()) {
      return rounded(b, factor, ofOuter);
    }
    var sweep = new ColumnSweep(b, factor, Gptq.Config.of(ofOuter));
    int size = ofOuter.groupSize(b.columns());
    var quantizer = new MaskedQuantizer(sweep.quantizer(), mask.get(), size);
    sweep.run(quantizer, 0, b.rows());
    return Sparse.of(quantizer.finish(), mask.get(), Pattern.UNSTRUCTURED);
  }

  /** {@code ||a_k X||} of each row. */
  private static double[] lengths(Matrix gram) {
    var lengths = new double[gram.rows()];
    for (int k = 0; k < lengths.length; k++) {
      lengths[k] = Math.sqrt(Math.max(0, gram.at(k, k)));
    }
    return lengths;
  }

  static Matrix scaled(Matrix b, float[] scales) {
    var scaled = b.copy();
    for (int i = 0; i < scaled.values().length; i++) {
      scaled.values()[i] *= scales[i % scales.length];
    }
    return scaled;
  }

  /** Of the rows of {@code A}, divided by the scales; a scale of 0 leaves a row of zeros. */
  private static Matrix divided(Matrix gram, float[] scales) {
    var divided = gram.copy();
    int n = scales.length;
    for (int i = 0; i < divided.values().length; i++) {
      double both = (double) scales[i / n] * scales[i % n];
      divided.values()[i] = both == 0 ? 0 : (float) (divided.values()[i] / both);
    }
    return divided;
  }

  private static Matrix product(View a, View b) {
    var product = Matrix.zeros(a.rows(), b.columns());
    Gemm.add(View.of(product), a, b);
    return product;
  }

  /**
   * What a factor makes of the inputs.
   *
   * @param times {@code A H [r, in]}
   * @param gram {@code A H A^T [r, r]}
   */
  private record Weighted(Matrix times, Matrix gram) {

    static Weighted of(Matrix a, Matrix h) {
      var times = product(View.of(a), View.of(h));
      return new Weighted(times, product(View.of(times), View.of(a).transposed()));
    }
  }
}
