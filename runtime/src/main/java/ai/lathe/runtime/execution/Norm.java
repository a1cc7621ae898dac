package ai.lathe.runtime.execution;

import ai.lathe.model.architecture.Architecture.NormKind;
import ai.lathe.runtime.kernel.RowMath;
import java.lang.foreign.MemorySegment;

/**
 * RMS or layer norm.
 *
 * @param weight {@code [n]} float32, the architecture's offset added
 * @param bias likewise; zeros where a layer norm has none, null for RMS
 */
record Norm(NormKind kind, MemorySegment weight, MemorySegment bias, float epsilon, int n) {

  /** Positions are elements. */
  void row(RowMath math, MemorySegment x, long xAt, MemorySegment out, long outAt) {
    switch (kind) {
      case RMS -> math.rmsNorm(x, xAt, weight, epsilon, n, out, outAt);
      case LAYER -> math.layerNorm(x, xAt, weight, bias, epsilon, n, out, outAt);
    }
  }
}
