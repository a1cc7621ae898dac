package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.Workers;
import java.lang.foreign.MemorySegment;

/** Tokens in tiles of a few, {@code [tile][columns][width]}; those that are not there are zeros. */
final class TokenTiles implements InputForm, Workers.Task {

  /** What is broadcast over panels of weights. */
  static final Kind<TokenTiles> NARROW =
      new Kind<>("tiles of tokens", () -> new TokenTiles(PanelKernel.BROADCAST));

  /** Panels of tokens. */
  static final Kind<TokenTiles> WIDE =
      new Kind<>("panels of tokens", () -> new TokenTiles(PanelKernel.WIDTH));

  /** Values for which waking another thread is worth its time. */
  private static final int SHARED = 1 << 14;

  private final int widest;
  private int width;
  private float[] values = new float[0];
  private MemorySegment source;
  private int tokens;
  private int columns;

  private TokenTiles(int widest) {
    this.widest = widest;
  }

  @Override
  public void make(MemorySegment newValues, int newTokens, int newColumns, Workers workers) {
    source = newValues;
    tokens = newTokens;
    columns = newColumns;
    // A panel of few tokens is one vector wide.
    width = widest == PanelKernel.WIDTH && tokens <= widest / 2 ? widest / 2 : widest;
    int length = Math.multiplyExact(Math.ceilDiv(tokens, width) * width, columns);
    if (values.length < length) {
      values = new float[length];
    }
    if ((long) tokens * columns < SHARED) {
      run(0, 1);
    } else {
      workers.run(this);
    }
  }

  @Override
  public void run(int part, int parts) {
    var rows = Scratch.get().rows(Panels.space(width));
    int tiles = Math.ceilDiv(tokens, width);
    int end = (int) ((long) tiles * (part + 1) / parts);
    for (int tile = (int) ((long) tiles * part / parts); tile < end; tile++) {
      int first = tile * width;
      int count = Math.min(width, tokens - first);
      for (int from = 0; from < columns; from += Panels.COLUMNS) {
        int turned = Math.min(Panels.COLUMNS, columns - from);
        for (int t = 0; t < count; t++) {
          long at = ((long) (first + t) * columns + from) * Float.BYTES;
          MemorySegment.copy(source, JAVA_FLOAT_UNALIGNED, at, rows, t * Panels.COLUMNS, turned);
        }
        Panels.turn(rows, count, turned, values, first * columns + from * width, width);
      }
    }
  }

  float[] values() {
    return values;
  }

  int width() {
    return width;
  }

  int tokens() {
    return tokens;
  }
}
