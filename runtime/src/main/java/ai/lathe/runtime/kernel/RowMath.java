package ai.lathe.runtime.kernel;

import ai.lathe.model.architecture.Architecture.Activation;
import java.lang.foreign.MemorySegment;

/**
 * What is done to a row of float32 activations between products. Positions are elements of their
 * segment, not bytes. Results may lie where an operand lies.
 */
public interface RowMath {

  /** {@code out = x / sqrt(mean(x^2) + epsilon) * weight}, {@code n} elements. */
  void rmsNorm(
      MemorySegment x,
      long xAt,
      MemorySegment weight,
      float epsilon,
      int n,
      MemorySegment out,
      long outAt);

  /** {@code out = (x - mean) / sqrt(variance + epsilon) * weight + bias}. */
  void layerNorm(
      MemorySegment x,
      long xAt,
      MemorySegment weight,
      MemorySegment bias,
      float epsilon,
      int n,
      MemorySegment out,
      long outAt);

  /** {@code x = f(x)}. */
  void activate(Activation f, MemorySegment x, long at, int n);

  /** {@code gate = f(gate) * up}. */
  void gate(Activation f, MemorySegment gate, long gateAt, MemorySegment up, long upAt, int n);

  /** {@code x += y}. */
  void add(MemorySegment x, long xAt, MemorySegment y, long yAt, int n);

  /** {@code x *= factor}. */
  void scale(MemorySegment x, long at, float factor, int n);

  /** {@code x += factor * y}. */
  void addScaled(MemorySegment x, long xAt, float factor, MemorySegment y, long yAt, int n);

  /** {@code x = cap * tanh(x / cap)}. */
  void cap(MemorySegment x, long at, float cap, int n);

  /** {@code exp(x - max) / sum}. */
  void softmax(MemorySegment x, long at, int n);

  /**
   * Turns feature {@code i} with feature {@code i + half} of one head.
   *
   * @param cosines of the token's position, {@code half} elements from {@code turnAt}
   * @param sines likewise
   */
  void rotate(
      MemorySegment head,
      long at,
      MemorySegment cosines,
      MemorySegment sines,
      long turnAt,
      int half);

  /** {@code sum(x * y)}. */
  float dot(MemorySegment x, long xAt, MemorySegment y, long yAt, int n);
}
