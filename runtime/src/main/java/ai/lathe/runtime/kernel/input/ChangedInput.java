package ai.lathe.runtime.kernel.input;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.Workers;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Another input made of an input, which has forms of its own. Tokens are shared among threads. */
final class ChangedInput implements InputForm, Workers.Task {

  /** Values for which waking another thread is worth its time. */
  private static final int SHARED = 1 << 14;

  private final InputChange change;
  private Input changed;
  private float[][] rows = new float[0][];
  private MemorySegment memory = MemorySegment.NULL;
  private MemorySegment source;
  private int tokens;
  private int columns;

  ChangedInput(InputChange change) {
    this.change = change;
  }

  @Override
  public void make(MemorySegment values, int newTokens, int newColumns, Workers workers) {
    source = values;
    tokens = newTokens;
    columns = newColumns;
    long count = (long) tokens * columns;
    if (memory.byteSize() < count * Float.BYTES) {
      memory = Arena.ofAuto().allocate(count * Float.BYTES, 64);
    }
    if (rows.length != workers.count() || rows[0].length < columns) {
      rows = new float[workers.count()][columns];
    }
    if (changed == null) {
      changed = new Input(workers);
    }
    if (count < SHARED) {
      run(0, 1);
    } else {
      workers.run(this);
    }
    changed.set(memory, tokens, columns);
  }

  @Override
  public void run(int part, int parts) {
    int end = (int) ((long) tokens * (part + 1) / parts);
    for (int t = (int) ((long) tokens * part / parts); t < end; t++) {
      long at = (long) t * columns * Float.BYTES;
      MemorySegment.copy(source, JAVA_FLOAT_UNALIGNED, at, rows[part], 0, columns);
      change.apply(rows[part], columns);
      MemorySegment.copy(rows[part], 0, memory, JAVA_FLOAT_UNALIGNED, at, columns);
    }
  }

  /** The input after the change. */
  Input input() {
    return changed;
  }
}
