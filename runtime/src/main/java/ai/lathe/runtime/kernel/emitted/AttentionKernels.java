package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.*;
import static ai.lathe.runtime.kernel.emitted.Operand.zmm;
import static ai.lathe.runtime.kernel.emitted.Register.*;

import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.runtime.kernel.emitted.Assembler.Condition;
import ai.lathe.runtime.kernel.emitted.Assembler.Label;
import ai.lathe.runtime.kernel.emitted.Operand.Zmm;
import ai.lathe.runtime.kernel.memory.Pages;
import ai.lathe.tensor.DType;
import java.lang.foreign.MemorySegment;

/**
 * The steps of attention over one page, for heads of one size of keys and one of values, kept as
 * one type: machine code in the arithmetic of the vector provider's. Keys and values are converted
 * as they are read. Rows are query heads of tokens, up to {@link #ROWS} at once; scores are {@code
 * [rows, POSITIONS]} float32, queries {@code [rows, key size]}, mixes {@code [rows, width]}.
 */
final class AttentionKernels {

  /** Rows times four vectors of sums, four of keys or values, and a number of the row. */
  static final int ROWS = 6;

  /** Vectors of a page's positions, and of features at once. */
  private static final int VECTORS = 4;

  private static final int LANES = 16;
  private static final int SCORE_BYTES = KeyValueLayout.POSITIONS * Float.BYTES;

  private static final int SOME = 1;
  private static final int ALL_LANES = 0xFFFF;

  private static final Zmm EACH = zmm(31);

  // (2^f - 1) / f for |f| <= 1/2, as the vector provider has it; then what else powers need.
  private static final float[] CONSTANTS = {
    0.00015461448f,
    0.0013390867f,
    0.009618057f,
    0.05550357f,
    0.2402265f,
    0.6931472f,
    -127,
    0x1.8p23f + 127,
  };

  private static final int LEAST = 6;
  private static final int ROUND = 7;

  private final int keySize;
  private final int valueSize;
  private final DType type;
  private final MemorySegment[] scores = new MemorySegment[ROWS + 1];
  private final MemorySegment[] mix = new MemorySegment[ROWS + 1];
  private final MemorySegment largest;
  private final MemorySegment powers;

  /**
   * @param keySize features of a query's head and of a key's
   * @param valueSize features of a value's head
   */
  AttentionKernels(int keySize, int valueSize, DType type) throws Pages.Refused {
    this.keySize = keySize;
    this.valueSize = valueSize;
    this.type = type;
    var page = new CodePage();
    for (int rows = 1; rows <= ROWS; rows++) {
      page.add(writeScores(rows));
    }
    for (int rows = 1; rows <= ROWS; rows++) {
      page.add(writeMix(rows));
    }
    page.add(writeLargest());
    page.add(writePowers());
    var functions = page.write();
    System.arraycopy(functions, 0, scores, 1, ROWS);
    System.arraycopy(functions, ROWS, mix, 1, ROWS);
    largest = functions[2 * ROWS];
    powers = functions[2 * ROWS + 1];
  }

  /** Floats of a row of mixes: whole vectors. */
  int width() {
    return Math.ceilDiv(valueSize, LANES) * LANES;
  }

  /** Products of queries with all keys of a page. */
  void scores(int rows, long queries, long keys, long out) {
    NativeCall.call(scores[rows], queries, keys, out, 0, 0, 0, 0, 0);
  }

  /** The largest score of each row, float32. */
  void largest(int rows, long of, long out) {
    NativeCall.call(largest, of, out, rows, 0, 0, 0, 0, 0);
  }

  /**
   * {@code x = 2^(x - reference)} of each row.
   *
   * @param sums {@code [rows, 16]}, by lanes: become {@code keep sums + new ones}
   */
  void powers(int rows, long x, long references, long keep, long sums) {
    NativeCall.call(powers, x, references, keep, sums, rows, 0, 0, 0);
  }

  /**
   * {@code mixes = keep mixes + weights values}.
   *
   * @param weights of the first position, of the first row
   * @param values of the first position
   */
  void mix(int rows, long weights, long values, long keep, long mixes, int positions) {
    NativeCall.call(mix[rows], weights, values, keep, mixes, positions, 0, 0, 0);
  }

  /** {@code 2^x}, as {@link #powers} computes it. */
  static float power(float x) {
    float power = Math.max(x, CONSTANTS[LEAST]);
    float rounded = power + CONSTANTS[ROUND];
    float f = power - (rounded - CONSTANTS[ROUND]);
    float p = f * CONSTANTS[0] + CONSTANTS[1];
    for (int i = 2; i < LEAST; i++) {
      p = Math.fma(p, f, CONSTANTS[i]);
    }
    float two = Float.intBitsToFloat(Float.floatToRawIntBits(rounded) << 23);
    return Math.fma(p * f, two, two);
  }

  /** {@code f(queries, keys, out)}. */
  private byte[] writeScores(int rows) {
    var a = new Assembler();
    var loads = new FloatLoads(a, type);
    for (int i = 0; i < rows * VECTORS; i++) {
      a.emit(VPXORD, zmm(i), zmm(i), zmm(i));
    }
    a.move(RAX, keySize);
    var feature = new Label();
    a.bind(feature);
    for (int v = 0; v < VECTORS; v++) {
      loads.load(zmm(rows * VECTORS + v), RSI.at(v * LANES * loads.bytes()));
    }
    for (int r = 0; r < rows; r++) {
      a.emit(VBROADCASTSS, EACH, RDI.at(r * keySize * Float.BYTES));
      for (int v = 0; v < VECTORS; v++) {
        a.emit(VFMADD231PS, zmm(r * VECTORS + v), EACH, zmm(rows * VECTORS + v));
      }
    }
    a.add(RDI, Float.BYTES);
    a.add(RSI, KeyValueLayout.POSITIONS * loads.bytes());
    a.subtract(RAX, 1);
    a.jump(Condition.NOT_ZERO, feature);
    for (int r = 0; r < rows; r++) {
      for (int v = 0; v < VECTORS; v++) {
        a.store(RDX.at(r * SCORE_BYTES + v * 64), zmm(r * VECTORS + v));
      }
    }
    a.vzeroupper();
    a.ret();
    return a.code();
  }

  /** {@code f(scores, out, rows)}. */
  private static byte[] writeLargest() {
    var a = new Assembler();
    a.move(RAX, 1);
    a.mask(SOME, RAX);
    var row = new Label();
    a.bind(row);
    var x = zmm(0);
    var other = zmm(1);
    a.emit(VMOVUPS, x, RDI.at(0));
    for (int v = 1; v < VECTORS; v++) {
      a.emit(VMOVUPS, other, RDI.at(64 * v));
      a.emit(VMAXPS, x, other, x);
    }
    for (int order : new int[] {0xB1, 0x4E}) {
      a.emit(VPSHUFD, other, x, order);
      a.emit(VMAXPS, x, other, x);
    }
    for (int order : new int[] {0xB1, 0x4E}) {
      a.emit(VSHUFI32X4, other, x, x, order);
      a.emit(VMAXPS, x, other, x);
    }
    a.store(RSI.at(0), x, SOME);
    a.add(RDI, SCORE_BYTES);
    a.add(RSI, Float.BYTES);
    a.subtract(RDX, 1);
    a.jump(Condition.NOT_ZERO, row);
    a.vzeroupper();
    a.ret();
    return a.code();
  }

  /** {@code f(x, references, keep, sums, rows)}. */
  private static byte[] writePowers() {
    var a = new Assembler();
    int first = 16;
    for (int i = 0; i < CONSTANTS.length; i++) {
      a.move(RAX, Float.floatToRawIntBits(CONSTANTS[i]));
      a.broadcast(zmm(first + i), RAX);
    }
    var least = zmm(first + LEAST);
    var round = zmm(first + ROUND);
    var total = zmm(0);
    var power = zmm(1);
    var rounded = zmm(2);
    var f = zmm(3);
    var p = zmm(4);
    var next = zmm(5);
    var row = new Label();
    a.bind(row);
    a.emit(VBROADCASTSS, EACH, RSI.at(0));
    a.emit(VMOVUPS, total, RCX.at(0));
    a.emit(VMULPS, total, total, RDX.each(0));
    for (int v = 0; v < VECTORS; v++) {
      a.emit(VMOVUPS, power, RDI.at(64 * v));
      a.emit(VSUBPS, power, power, EACH);
      a.less(SOME, power, least);
      a.merge(SOME, VMOVUPS, power, least);
      a.emit(VADDPS, rounded, power, round);
      a.emit(VSUBPS, f, rounded, round);
      a.emit(VSUBPS, f, power, f);
      a.emit(VMULPS, p, f, zmm(first));
      a.emit(VADDPS, p, p, zmm(first + 1));
      for (int i = 2; i < LEAST; i++) {
        a.emit(VMOVUPS, next, zmm(first + i));
        a.emit(VFMADD231PS, next, p, f);
        a.emit(VMOVUPS, p, next);
      }
      a.emit(VPSLLD, rounded, rounded, 23);
      a.emit(VMULPS, p, p, f);
      a.emit(VMOVUPS, next, rounded);
      a.emit(VFMADD231PS, next, p, rounded);
      a.store(RDI.at(64 * v), next);
      a.emit(VADDPS, total, total, next);
    }
    a.store(RCX.at(0), total);
    a.add(RDI, SCORE_BYTES);
    a.add(RSI, Float.BYTES);
    a.add(RDX, Float.BYTES);
    a.add(RCX, 64);
    a.subtract(R8, 1);
    a.jump(Condition.NOT_ZERO, row);
    a.vzeroupper();
    a.ret();
    return a.code();
  }

  /** {@code f(weights, values, keep, mixes, positions)}. */
  private byte[] writeMix(int rows) {
    var a = new Assembler();
    var loads = new FloatLoads(a, type);
    int last = valueSize % LANES == 0 ? ALL_LANES : (1 << valueSize % LANES) - 1;
    a.move(RAX, last);
    a.mask(SOME, RAX);
    int all = width() / LANES;
    for (int from = 0; from < all; from += VECTORS) {
      int vectors = Math.min(VECTORS, all - from);
      for (int r = 0; r < rows; r++) {
        a.emit(VBROADCASTSS, EACH, RDX.at(r * Float.BYTES));
        for (int v = 0; v < vectors; v++) {
          int at = (r * width() + (from + v) * LANES) * Float.BYTES;
          a.emit(VMULPS, zmm(r * VECTORS + v), EACH, RCX.at(at));
        }
      }
      a.move(R9, RDI);
      a.move(R10, RSI);
      a.move(R11, R8);
      var position = new Label();
      a.bind(position);
      for (int v = 0; v < vectors; v++) {
        var value = zmm(ROWS * VECTORS + v);
        var at = R10.at((from + v) * LANES * loads.bytes());
        if (from + v == all - 1) {
          loads.load(value, at, SOME);
        } else {
          loads.load(value, at);
        }
      }
      for (int r = 0; r < rows; r++) {
        a.emit(VBROADCASTSS, EACH, R9.at(r * SCORE_BYTES));
        for (int v = 0; v < vectors; v++) {
          a.emit(VFMADD231PS, zmm(r * VECTORS + v), EACH, zmm(ROWS * VECTORS + v));
        }
      }
      a.add(R9, Float.BYTES);
      a.add(R10, valueSize * loads.bytes());
      a.subtract(R11, 1);
      a.jump(Condition.NOT_ZERO, position);
      for (int r = 0; r < rows; r++) {
        for (int v = 0; v < vectors; v++) {
          int at = (r * width() + (from + v) * LANES) * Float.BYTES;
          a.store(RCX.at(at), zmm(r * VECTORS + v));
        }
      }
    }
    a.vzeroupper();
    a.ret();
    return a.code();
  }
}
