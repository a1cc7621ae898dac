package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.*;
import static ai.lathe.runtime.kernel.emitted.Operand.zmm;
import static ai.lathe.runtime.kernel.emitted.Register.*;

import ai.lathe.runtime.kernel.emitted.Assembler.Condition;
import ai.lathe.runtime.kernel.emitted.Assembler.Label;
import ai.lathe.runtime.kernel.emitted.Operand.Zmm;

/**
 * Writes what is done to rows of activations: loops over vectors of 16, in the vector provider's
 * arithmetic. All take how many vectors, and a mask of the lanes of the last one, as their fifth
 * and sixth argument; float arguments come as their bits.
 */
final class RowKernel {

  private static final Register VECTORS = R8;
  private static final Register LAST = R9;
  private static final Register[] POINTERS = {RDI, RSI, RDX, RCX};

  /** The seventh and eighth argument, above the return address. */
  private static final int SEVENTH = 8;

  private static final int EIGHTH = 16;

  private static final int LANES = 1;
  private static final int SOME = 2;
  private static final int ALL_LANES = 0xFFFF;

  private static final Zmm X = zmm(0);
  private static final Zmm Y = zmm(1);
  private static final Zmm FACTOR = zmm(30);

  private final Assembler a = new Assembler();

  private RowKernel() {}

  /** {@code f(x, y, out, unused, pairs)}: the sum of {@code x y}, as of 32 elements each time. */
  static byte[] dot() {
    var a = new Assembler();
    var sums = new Zmm[] {zmm(2), zmm(3)};
    for (var sum : sums) {
      a.emit(VPXORD, sum, sum, sum);
    }
    var begin = new Label();
    a.bind(begin);
    for (int i = 0; i < 2; i++) {
      a.emit(VMOVUPS, X, RDI.at(64 * i));
      a.emit(VFMADD231PS, sums[i], X, RSI.at(64 * i));
    }
    a.add(RDI, 128);
    a.add(RSI, 128);
    a.subtract(VECTORS, 1);
    a.jump(Condition.NOT_ZERO, begin);
    a.emit(VADDPS, sums[0], sums[0], sums[1]);
    LaneSum.write(a, sums[0], sums[1]);
    a.move(RAX, 1);
    a.mask(LANES, RAX);
    a.store(RDX.at(0), sums[0], LANES);
    a.vzeroupper();
    a.ret();
    return a.code();
  }

  /** {@code f(x, weight, out, factor)}: {@code out = x factor weight}. */
  static byte[] norm() {
    var k = new RowKernel();
    k.a.broadcast(FACTOR, RCX);
    return k.loop(
        3,
        a -> {
          a.load(X, RDI.at(0), LANES);
          a.load(Y, RSI.at(0), LANES);
          a.emit(VMULPS, X, X, FACTOR);
          a.emit(VMULPS, X, X, Y);
          a.store(RDX.at(0), X, LANES);
        });
  }

  /** {@code f(x, y)}: {@code x += y}. */
  static byte[] add() {
    return new RowKernel()
        .loop(
            2,
            a -> {
              a.load(X, RDI.at(0), LANES);
              a.load(Y, RSI.at(0), LANES);
              a.emit(VADDPS, X, X, Y);
              a.store(RDI.at(0), X, LANES);
            });
  }

  /** {@code f(x, unused, unused, factor)}: {@code x *= factor}. */
  static byte[] scale() {
    var k = new RowKernel();
    k.a.broadcast(FACTOR, RCX);
    return k.loop(
        1,
        a -> {
          a.load(X, RDI.at(0), LANES);
          a.emit(VMULPS, X, X, FACTOR);
          a.store(RDI.at(0), X, LANES);
        });
  }

  /** {@code f(x, y, unused, factor)}: {@code x += factor y}, rounded once. */
  static byte[] addScaled() {
    var k = new RowKernel();
    k.a.broadcast(FACTOR, RCX);
    return k.loop(
        2,
        a -> {
          a.load(X, RDI.at(0), LANES);
          a.load(Y, RSI.at(0), LANES);
          a.emit(VFMADD231PS, X, Y, FACTOR);
          a.store(RDI.at(0), X, LANES);
        });
  }

  /** {@code f(first, second, cosines, sines)}: turns one with the other. */
  static byte[] rotate() {
    var cosine = zmm(2);
    var sine = zmm(3);
    var product = zmm(4);
    var other = zmm(5);
    return new RowKernel()
        .loop(
            4,
            a -> {
              a.load(X, RDI.at(0), LANES);
              a.load(Y, RSI.at(0), LANES);
              a.load(cosine, RDX.at(0), LANES);
              a.load(sine, RCX.at(0), LANES);
              a.emit(VMULPS, product, X, cosine);
              a.emit(VMULPS, other, Y, sine);
              a.emit(VSUBPS, product, product, other);
              a.store(RDI.at(0), product, LANES);
              a.emit(VMULPS, product, Y, cosine);
              a.emit(VMULPS, other, X, sine);
              a.emit(VADDPS, product, product, other);
              a.store(RSI.at(0), product, LANES);
            });
  }

  /**
   * {@code f(x, up, unused, unused, .., linear, cubic)}: {@code x = x / (1 + exp(-(linear x + cubic
   * x^3)))}, times {@code up} where it is gated; {@code linear} comes as it is, {@code cubic} with
   * the other sign.
   */
  static byte[] logistic(boolean gated) {
    var k = new RowKernel();
    var power = zmm(2);
    var linear = zmm(29);
    var cubic = zmm(28);
    var largest = zmm(27);
    var exponential = new Exponential(k.a, zmm(3), 9);
    k.a.load(RAX, RSP.at(SEVENTH));
    k.a.broadcast(linear, RAX);
    k.a.load(RAX, RSP.at(EIGHTH));
    k.a.broadcast(cubic, RAX);
    k.a.move(RAX, Float.floatToRawIntBits(Float.MAX_VALUE));
    k.a.broadcast(largest, RAX);
    exponential.constants();
    return k.loop(
        gated ? 2 : 1,
        a -> {
          a.load(X, RDI.at(0), LANES);
          // A square that overflows must not become NaN where the cubic part is zero.
          a.emit(VMULPS, power, X, X);
          a.greater(SOME, power, largest);
          a.merge(SOME, VMOVUPS, power, largest);
          a.emit(VMULPS, power, power, cubic);
          a.emit(VSUBPS, power, power, linear);
          a.emit(VMULPS, power, power, X);
          exponential.apply(power, SOME);
          a.emit(VADDPS, power, power, exponential.one());
          a.emit(VDIVPS, X, X, power);
          if (gated) {
            a.load(Y, RSI.at(0), LANES);
            a.emit(VMULPS, X, X, Y);
          }
          a.store(RDI.at(0), X, LANES);
        });
  }

  private interface Body {
    void write(Assembler a);
  }

  private byte[] loop(int pointers, Body body) {
    a.move(RAX, ALL_LANES);
    a.mask(LANES, RAX);
    var begin = new Label();
    var whole = new Label();
    a.bind(begin);
    a.compare(VECTORS, 1);
    a.jump(Condition.NOT_ZERO, whole);
    a.mask(LANES, LAST);
    a.bind(whole);
    body.write(a);
    for (int i = 0; i < pointers; i++) {
      a.add(POINTERS[i], 64);
    }
    a.subtract(VECTORS, 1);
    a.jump(Condition.NOT_ZERO, begin);
    a.vzeroupper();
    a.ret();
    return a.code();
  }
}
