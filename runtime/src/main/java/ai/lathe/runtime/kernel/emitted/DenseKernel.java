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
 * <p>The function: {@code f(weights, x, out, fours, ones, rowBytes, vectors, rest)}, for {@code 4
 * fours + ones} rows of {@code 16 vectors + rest} columns.
 */
final class DenseKernel {

  /** Rows at once; each row's sum waits for itself. */
  static final int ROWS = 4;

  private static final Register X = RSI;
  private static final Register OUT = RDX;
  private static final Register FOURS = RCX;
  private static final Register ONES = R8;
  private static final Register ROW_BYTES = R9;
  private static final Register NEXT = RBP;
  private static final Register COUNT = RBX;

  /** Where rows are read; behind the last one of them the next ones begin. */
  private static final Register[] WEIGHTS = {RDI, RAX, R10, R11};

  /** The seventh and eighth argument, above two saved registers and the return address. */
  private static final int VECTORS_AT = 24;

  private static final int REST_AT = 32;

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
    a.move(RAX, 1);
    a.mask(FIRST, RAX);
    loop(FOURS, ROWS);
    loop(ONES, 1);
    a.vzeroupper();
    a.pop(RBP);
    a.pop(RBX);
    a.ret();
    return a.code();
  }

  private void loop(Register times, int rows) {
    var begin = new Label();
    var end = new Label();
    a.bind(begin);
    a.compare(times, 0);
    a.jump(Condition.ZERO, end);
    rows(rows);
    a.subtract(times, 1);
    a.jump(begin);
    a.bind(end);
  }

  private void rows(int rows) {
    for (int r = 0; r < rows; r++) {
      if (r > 0) {
        a.move(WEIGHTS[r], WEIGHTS[r - 1]);
        a.add(WEIGHTS[r], ROW_BYTES);
      }
      a.emit(VPXORD, zmm(r), zmm(r), zmm(r));
    }
    a.move(NEXT, X);
    repeat(VECTORS_AT, () -> step(rows, 16));
    for (int r = 0; r < rows; r++) {
      LaneSum.write(a, zmm(r), OTHER);
    }
    repeat(REST_AT, () -> step(rows, 1));
    for (int r = 0; r < rows; r++) {
      a.store(OUT.at(4 * r), zmm(r), FIRST);
    }
    a.add(OUT, 4 * rows);
    if (rows > 1) {
      a.move(WEIGHTS[0], WEIGHTS[rows - 1]);
    }
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
