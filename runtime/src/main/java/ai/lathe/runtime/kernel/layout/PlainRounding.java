package ai.lathe.runtime.kernel.layout;

import static ai.lathe.runtime.kernel.layout.Int8Input.BLOCK;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.MemorySegment;

/** {@link InputRule}s in plain Java. */
public record PlainRounding(InputRule rule) implements Int8Input.Rounding {

  @Override
  public void round(MemorySegment values, long from, int columns, Int8Input target, int token) {
    float shared = rule.scales() == InputRule.Scales.BLOCKS ? 0 : shared(values, from, columns);
    for (int b = 0; b < target.blocks(); b++) {
      int first = b * BLOCK;
      int count = Math.clamp(columns - first, 0, BLOCK);
      if (rule.scales() == InputRule.Scales.BLOCKS) {
        block(values, from, first, count, target, token);
      } else {
        divided(values, from, first, count, shared, target, token);
      }
    }
    target.sum(token);
  }

  private void block(
      MemorySegment values, long from, int first, int count, Int8Input target, int token) {
    float largest = largest(values, from, first, first + count);
    boolean zeros = !(largest >= InputRule.LEAST) || Float.isInfinite(largest);
    float factor = zeros ? 0 : InputRule.LARGEST / largest;
    float scale = Float.isFinite(largest) ? largest / InputRule.LARGEST : Float.NaN;
    for (int k = 0; k < BLOCK; k++) {
      float x = zeros || k >= count ? 0 : at(values, from, first + k) * factor;
      target.codes().set(JAVA_BYTE, target.codeAt(token) + first + k, (byte) Math.rint(x));
    }
    setScale(target, token, first, zeros && !Float.isNaN(scale) ? 0 : scale);
  }

  private void divided(
      MemorySegment values,
      long from,
      int first,
      int count,
      float scale,
      Int8Input target,
      int token) {
    for (int k = 0; k < BLOCK; k++) {
      float x = k >= count || Float.isNaN(scale) ? 0 : at(values, from, first + k) / scale;
      float inside = Math.clamp(x, rule.codes().min(), rule.codes().max());
      target.codes().set(JAVA_BYTE, target.codeAt(token) + first + k, (byte) Math.rint(inside));
    }
    setScale(target, token, first, scale);
  }

  private static void setScale(Int8Input target, int token, int first, float scale) {
    target.scales().setAtIndex(JAVA_FLOAT, target.blockAt(token) + first / BLOCK, scale);
  }

  /** The scale of all columns; NaN where one of them is no finite number. */
  private float shared(MemorySegment values, long from, int columns) {
    float largest = largest(values, from, 0, columns);
    if (!Float.isFinite(largest)) {
      return Float.NaN;
    }
    return rule.scales() == InputRule.Scales.FIXED
        ? rule.fixed()
        : Math.max(largest / rule.codes().reach(), Float.MIN_NORMAL);
  }

  /** NaN where there is one. */
  private float largest(MemorySegment values, long from, int first, int end) {
    float largest = 0;
    for (int k = first; k < end; k++) {
      largest = Math.max(largest, Math.abs(at(values, from, k)));
    }
    return largest;
  }

  private float at(MemorySegment values, long from, int k) {
    return values.getAtIndex(JAVA_FLOAT, from + (rule.order() == null ? k : rule.order().get(k)));
  }
}
