package ai.lathe.runtime.kernel.composite;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import java.lang.foreign.MemorySegment;

/** The rows of one matrix shared out among threads; one object for an input, made once. */
final class SharedRows implements InputForm, Workers.Task {

  static final Kind<SharedRows> KIND = new Kind<>("shared rows", SharedRows::new);

  private PackedMatrix matrix;
  private Input input;
  private MemorySegment out;

  @Override
  public void make(MemorySegment values, int tokens, int columns, Workers workers) {}

  /**
   * @param out {@code [tokens, rows]} float32
   */
  void set(PackedMatrix newMatrix, Input newInput, MemorySegment newOut) {
    matrix = newMatrix;
    input = newInput;
    out = newOut;
  }

  @Override
  public void run(int part, int parts) {
    int rows = matrix.rows();
    int stripe = matrix.stripe(input.tokens());
    int stripes = Math.ceilDiv(rows, stripe);
    int from = (int) ((long) stripes * part / parts) * stripe;
    int to = Math.min((int) ((long) stripes * (part + 1) / parts) * stripe, rows);
    if (from < to) {
      matrix.multiply(input, from, to, out, 0, rows);
    }
  }
}
