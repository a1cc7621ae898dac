package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.*;
import static ai.lathe.runtime.kernel.emitted.Operand.zmm;

import ai.lathe.runtime.kernel.emitted.Operand.Zmm;

/**
 * Writes {@code exp} of a vector, the vector provider's: a power of two times a power series,
 * within two units in the last place.
 */
final class Exponential {

  private static final float TO_INTEGER = 0x1.8p23f;
  private static final float LN2_HIGH = 0x1.62e4p-1f;

  /** Where a float32 exponential has become 0 or infinite; then what the loop below needs. */
  private static final int[] CONSTANTS = {
    bits(-105),
    bits(90),
    bits((float) (1 / Math.log(2))),
    bits(TO_INTEGER),
    bits(-LN2_HIGH),
    bits(-(float) (Math.log(2) - LN2_HIGH)),
    bits(1f / 5040),
    bits(1f / 720),
    bits(1f / 120),
    bits(1f / 24),
    bits(1f / 6),
    bits(0.5f),
    bits(1),
    127,
  };

  private final Assembler a;
  private final Zmm shifted;
  private final Zmm whole;
  private final Zmm rest;
  private final Zmm sum;
  private final int first;

  /**
   * @param scratch the first of four registers
   * @param first of {@value #REGISTERS} registers for constants
   */
  Exponential(Assembler a, Zmm scratch, int first) {
    this.a = a;
    shifted = scratch;
    whole = zmm(scratch.number() + 1);
    rest = zmm(scratch.number() + 2);
    sum = zmm(scratch.number() + 3);
    this.first = first;
  }

  static final int REGISTERS = 14;

  private static int bits(float value) {
    return Float.floatToRawIntBits(value);
  }

  private Zmm constant(int number) {
    return zmm(first + number);
  }

  /** The number 1. */
  Zmm one() {
    return constant(12);
  }

  /** Once, before the loop. */
  void constants() {
    for (int i = 0; i < CONSTANTS.length; i++) {
      a.move(Register.RAX, CONSTANTS[i]);
      a.broadcast(constant(i), Register.RAX);
    }
  }

  /**
   * {@code x = exp(x)}.
   *
   * @param mask register that is used
   */
  void apply(Zmm x, int mask) {
    // By comparison, which lets NaN through.
    a.less(mask, x, constant(0));
    a.merge(mask, VMOVUPS, x, constant(0));
    a.greater(mask, x, constant(1));
    a.merge(mask, VMOVUPS, x, constant(1));
    a.emit(VMULPS, shifted, x, constant(2));
    a.emit(VADDPS, shifted, shifted, constant(3));
    a.emit(VSUBPS, whole, shifted, constant(3));
    a.emit(VPSUBD, shifted, shifted, constant(3));
    a.emit(VMOVUPS, rest, x);
    a.emit(VFMADD231PS, rest, whole, constant(4));
    a.emit(VFMADD231PS, rest, whole, constant(5));
    a.emit(VMULPS, sum, rest, constant(6));
    a.emit(VADDPS, sum, sum, constant(7));
    for (int i = 8; i <= 11; i++) {
      // sum = sum rest + constant
      a.emit(VMOVUPS, whole, constant(i));
      a.emit(VFMADD231PS, whole, sum, rest);
      a.emit(VMOVUPS, sum, whole);
    }
    a.emit(VMULPS, whole, rest, rest);
    a.emit(VFMADD231PS, rest, sum, whole);
    a.emit(VADDPS, sum, rest, one());
    // 2^exponent in two factors, because it may itself be too small or too large for a float.
    a.emit(VPSRAD, whole, shifted, 1);
    a.emit(VPSUBD, shifted, shifted, whole);
    for (var half : new Zmm[] {whole, shifted}) {
      a.emit(VPADDD, half, half, constant(13));
      a.emit(VPSLLD, half, half, 23);
      a.emit(VMULPS, sum, sum, half);
    }
    a.emit(VMOVUPS, x, sum);
  }
}
