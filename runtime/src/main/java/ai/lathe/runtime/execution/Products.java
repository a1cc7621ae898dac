package ai.lathe.runtime.execution;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.Workers;
import java.lang.foreign.MemorySegment;

/**
 * Linear layers that read one input, run together: their rows are shared among the threads once.
 */
final class Products implements Workers.Task {

  /** Query, key and value. */
  private static final int MOST = 3;

  /** Of the rows, for each thread: what disturbs one of them then delays all by a piece. */
  private static final int PIECES = 4;

  private final Workers workers;
  private final RowMath math;
  private final Linear[] linears = new Linear[MOST];
  private final MemorySegment[] outs = new MemorySegment[MOST];
  private final Probe probe;
  private Input input;
  private int count;
  private long began;

  Products(Workers workers, RowMath math, Probe probe) {
    this.workers = workers;
    this.math = math;
    this.probe = probe;
  }

  Products of(Input of) {
    began = probe.clock.now();
    input = of;
    count = 0;
    return this;
  }

  /**
   * @param out {@code [tokens, out]} float32
   */
  Products with(Linear linear, MemorySegment out) {
    linears[count] = linear;
    outs[count++] = out;
    linear.matrix().prepare(input);
    return this;
  }

  void run() {
    workers.run(this, PIECES * workers.count());
    probe.clock.ran(linears, count, began);
    for (int i = 0; i < count; i++) {
      long elements = (long) input.tokens() * linears[i].matrix().rows();
      probe.look(linears[i].address(), outs[i], elements);
    }
  }

  @Override
  public void run(int part, int parts) {
    for (int i = 0; i < count; i++) {
      var matrix = linears[i].matrix();
      int rows = matrix.rows();
      int stripe = matrix.stripe(input.tokens());
      int stripes = Math.ceilDiv(rows, stripe);
      int from = (int) ((long) stripes * part / parts) * stripe;
      int to = Math.min((int) ((long) stripes * (part + 1) / parts) * stripe, rows);
      if (from < to) {
        matrix.multiply(input, from, to, outs[i], 0, rows);
        addBias(linears[i].bias(), outs[i], from, to, rows);
      }
    }
  }

  private void addBias(MemorySegment bias, MemorySegment out, int from, int to, int rows) {
    for (int t = 0; bias != null && t < input.tokens(); t++) {
      math.add(out, (long) t * rows + from, bias, from, to - from);
    }
  }
}
