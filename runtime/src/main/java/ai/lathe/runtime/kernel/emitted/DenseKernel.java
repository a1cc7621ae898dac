package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.*;
import static ai.lathe.runtime.kernel.emitted.Operand.zmm;
import static ai.lathe.runtime.kernel.emitted.Register.*;

import ai.lathe.runtime.kernel.emitted.Assembler.Condition;
import ai.lathe.runtime.kernel.emitted.Assembler.Label;
import ai.lathe.runtime.kernel.emitted.Operand.Zmm;
import ai.lathe.tensor.DType;

/**
 * Writes the product of stored rows of floats with one token, in the order of the vector provider's
 * kernels of 16 lanes: a sum in each lane, lanes added to their neighbours, pairs to pairs, and so
 * on, then the last columns one by one.
 *
 * <p>The function: {@code f(weights, x, out, fours, ones, quarter, vectors, rest)}, for {@code 4
 * fours + ones} rows of {@code 16 vectors + rest} columns, where {@code quarter} is the bytes of
 * {@code fours} rows. Four rows are computed at once that are so far from each other: each of four
 * streams from memory goes on and on, however short the rows are.
 */
final class DenseKernel {

  /** Rows at once; each row's sum waits for itself. */
  static final int ROWS = 4;

  private static final Register X = RSI;
  private static final Register OUT = RDX;
  private static final Register FOURS = RCX;
  private static final Register ONES = R8;
  private static final Register QUARTER = R9;
  private static final Register NEXT = RBP;
  private static final Register COUNT = RBX;

  /** Bytes from the result of one of four rows to that of the next. */
  private static final Register APART = R12;

  /** Where rows are read. */
  private static final Register[] WEIGHTS = {RDI, RAX, R10, R11};

  /** The seventh and eighth argument, above three saved registers and the return address. */
  private static final int VECTORS_AT = 32;

  private static final int REST_AT = 40;

  /** Mask of the first lane. */
  private static final int FIRST = 1;

  private static final Zmm INPUT = zmm(8);
  private static final Zmm OTHER = zmm(9);

  private final Assembler a = new Assembler();
  private final FloatLoads weights;

  private DenseKernel(DType type) {
    weights = new FloatLoads(a, type);
  }

  static byte[] write(DType type) {
    return new DenseKernel(type).write();
  }

  private byte[] write() {
    a.push(RBX);
    a.push(RBP);
    a.push(R12);
    a.move(RAX, 1);
    a.mask(FIRST, RAX);
    a.move(APART, FOURS);
    a.shiftLeft(APART, 2);
    loop(FOURS, ROWS);
    loop(ONES, 1);
    a.vzeroupper();
    a.pop(R12);
    a.pop(RBP);
    a.pop(RBX);
    a.ret();
    return a.code();
  }

  private void loop(Register times, int rows) {
    var begin = new Label();
    var end = new Label();
    a.compare(times, 0);
    a.jump(Condition.ZERO, end);
    for (int r = 1; r < rows; r++) {
      a.move(WEIGHTS[r], WEIGHTS[r - 1]);
      a.add(WEIGHTS[r], QUARTER);
    }
    a.bind(begin);
    rows(rows);
    a.subtract(times, 1);
    a.jump(Condition.NOT_ZERO, begin);
    if (rows > 1) {
      a.move(WEIGHTS[0], WEIGHTS[rows - 1]);
    }
    // What was written is a quarter of it.
    for (int r = 1; r < rows; r++) {
      a.add(OUT, APART);
    }
    a.bind(end);
  }

  private void rows(int rows) {
    for (int r = 0; r < rows; r++) {
      a.emit(VPXORD, zmm(r), zmm(r), zmm(r));
    }
    a.move(NEXT, X);
    repeat(VECTORS_AT, () -> step(rows, 16));
    for (int r = 0; r < rows; r++) {
      LaneSum.write(a, zmm(r), OTHER);
    }
    repeat(REST_AT, () -> step(rows, 1));
    a.move(NEXT, OUT);
    for (int r = 0; r < rows; r++) {
      a.store(NEXT.at(0), zmm(r), FIRST);
      a.add(NEXT, APART);
    }
    a.add(OUT, Float.BYTES);
  }

  private void repeat(int timesAt, Runnable body) {
    var begin = new Label();
    var end = new Label();
    a.load(COUNT, RSP.at(timesAt));
    a.compare(COUNT, 0);
    a.jump(Condition.ZERO, end);
    a.bind(begin);
    body.run();
    a.subtract(COUNT, 1);
    a.jump(Condition.NOT_ZERO, begin);
    a.bind(end);
  }

  /** 16 columns, or one in the first lane. */
  private void step(int rows, int columns) {
    if (columns == 1) {
      a.load(INPUT, NEXT.at(0), FIRST);
    } else {
      a.emit(VMOVUPS, INPUT, NEXT.at(0));
    }
    a.add(NEXT, columns * Float.BYTES);
    for (int r = 0; r < rows; r++) {
      var weight = zmm(ROWS + r);
      if (columns == 1) {
        weights.load(weight, WEIGHTS[r].at(0), FIRST);
      } else {
        weights.load(weight, WEIGHTS[r].at(0));
      }
      a.emit(VFMADD231PS, zmm(r), weight, INPUT);
      a.add(WEIGHTS[r], columns * weights.bytes());
    }
  }
}
