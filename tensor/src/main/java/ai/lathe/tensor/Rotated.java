package ai.lathe.tensor;

import java.util.List;

/**
 * A weight that is stored for rotated inputs: {@code inner} is {@code W Hb}, and {@code y = (W Hb)
 * (Hb x)}, {@code Hb} being block-diagonal with Sylvester's orthogonal Hadamard matrix, symmetric
 * and its own inverse. It decodes to {@code W}. Where the layer's input is rounded, that is done
 * after it is rotated.
 *
 * @param size inputs of a block of {@code Hb}, a power of two that divides the columns
 */
public record Rotated(int size, LinearWeight inner) implements LinearWeight {

  public Rotated {
    if (size < 2 || Integer.bitCount(size) != 1 || inner.columns() % size != 0) {
      throw new LatheException(
          "an input of %d cannot be rotated in blocks of %d: a power of two that divides it can"
              .formatted(inner.columns(), size));
    }
  }

  /** The rows of several weights like {@code first}. */
  static Rotated stack(List<LinearWeight> parts, Rotated first) {
    return new Rotated(
        first.size,
        LinearWeight.stack(parts.stream().map(part -> ((Rotated) part).inner).toList()));
  }

  @Override
  public int rows() {
    return inner.rows();
  }

  @Override
  public int columns() {
    return inner.columns();
  }

  @Override
  public Encoding encoding() {
    return new Encoding.Rotated(size, inner.encoding());
  }

  @Override
  public float inputScale() {
    return inner.inputScale();
  }

  @Override
  public Rotated withInputScale(float scale) {
    return new Rotated(size, inner.withInputScale(scale));
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    inner.decodeRows(from, to, target, offset);
    WalshHadamard.rotate(target, offset, (to - from) * columns(), size);
  }
}
