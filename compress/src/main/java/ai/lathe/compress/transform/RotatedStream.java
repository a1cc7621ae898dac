package ai.lathe.compress.transform;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.architecture.Architecture.NormOrder;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Width;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Hadamard;
import ai.lathe.tensor.linalg.Orthogonal;
import ai.lathe.tensor.linalg.View;
import java.lang.foreign.Arena;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * A model whose residual stream is rotated: {@code x Q} flows where {@code x} did, {@code Q}
 * orthogonal. What is added to the stream is rotated ({@code E := E Q}, {@code W := Q^T W}), and
 * what reads it turns it back ({@code W := W Q}). RMS norms without gains do not see the
 * difference, so the function is the same; but no feature of the stream, and no weight, is an
 * outlier any longer.
 *
 * <p>Matrices are float32, computed when asked for, one at a time.
 *
 * @see <a href="https://arxiv.org/abs/2404.00456">Ashkboos et al., QuaRot, 2024</a>
 */
public final class RotatedStream extends CheckpointView {

  /** Where {@code Q} comes from. */
  public enum Rotation {
    /** A random orthogonal matrix. */
    RANDOM {
      @Override
      Matrix matrix(int n, long seed) {
        return Orthogonal.random(n, seed);
      }
    },
    /** A Hadamard matrix whose rows have random signs. */
    HADAMARD {
      @Override
      Matrix matrix(int n, long seed) {
        var q = Hadamard.matrix(n);
        var random = new SplittableRandom(seed);
        for (int i = 0; i < n; i++) {
          boolean flip = random.nextBoolean();
          for (int j = 0; flip && j < n; j++) {
            q.set(i, j, -q.at(i, j));
          }
        }
        return q;
      }
    };

    abstract Matrix matrix(int n, long seed);
  }

  private final FusedNorms fused;
  private final Matrix rotation;

  private RotatedStream(FusedNorms fused, Matrix rotation) {
    super(fused);
    this.fused = fused;
    this.rotation = rotation;
  }

  /** Throws {@link LatheException} for models whose norms or order of norms do not allow it. */
  public static RotatedStream of(Checkpoint model, Rotation rotation, long seed) {
    if (model.architecture().normOrder() == NormOrder.SANDWICH) {
      throw new LatheException(
          "the residual stream of %s cannot be rotated: norms with gains stand between its layers and the stream"
              .formatted(model.architecture().name()));
    }
    var fused = new FusedNorms(model);
    return new RotatedStream(fused, rotation.matrix(model.config().hidden(), seed));
  }

  @Override
  public LinearWeight matrix(Address address) {
    var weight = source.matrix(address);
    var parameter = architecture().parameter(address.role());
    if (parameter.kind() == Kind.EMBEDDING || fused.norms().contains(parameter.reads())) {
      return FloatRows.of(weight, (values, rows) -> rotate(values, rows));
    }
    if (writes(parameter)) {
      var result = Matrix.zeros(weight.rows(), weight.columns());
      Gemm.add(View.of(result), View.of(rotation).transposed(), View.of(weight.decode()));
      return Dense.of(result);
    }
    return weight;
  }

  /** A bias of what is added to the stream is added too. */
  @Override
  public Optional<Tensor> vector(Address address) {
    var vector = source.vector(address);
    if (address.part() != Address.Part.BIAS || !writes(architecture().parameter(address.role()))) {
      return vector;
    }
    return vector.map(
        bias -> {
          var values = bias.toFloats();
          rotate(values, 1);
          return Tensor.ofFloats(values, values.length).to(bias.dtype(), Arena.ofAuto());
        });
  }

  /** Whether a layer of a block gives something that is added to the stream. */
  private static boolean writes(Parameter parameter) {
    return parameter.kind() == Kind.LINEAR && parameter.rows() == Width.HIDDEN;
  }

  /** {@code [rows, hidden] := [rows, hidden] Q} */
  private void rotate(float[] values, int rows) {
    var product = Matrix.zeros(rows, rotation.rows());
    var given = new Matrix(rows, rotation.rows(), values);
    Gemm.add(View.of(product), View.of(given), View.of(rotation));
    System.arraycopy(product.values(), 0, values, 0, values.length);
  }
}
