package ai.lathe.runtime.kernel;

import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;

/**
 * What a kernel makes of a float32 input before it multiplies, for example int8 codes with a scale
 * for each block. It is made once for all matrices that read the same input, and its memory is kept
 * from one input to the next.
 */
public interface InputForm {

  /**
   * Names a form; the constant that a form's class offers.
   *
   * @param create an empty one, called once for each {@link Input}
   */
  record Kind<F extends InputForm>(String name, Supplier<F> create) {}

  /**
   * @param values {@code [tokens, columns]} float32, row-major without gaps
   * @param workers idle, for inputs that are worth sharing out
   */
  void make(MemorySegment values, int tokens, int columns, Workers workers);
}
