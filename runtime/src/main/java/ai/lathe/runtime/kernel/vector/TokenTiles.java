package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.Workers;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Tokens in tiles of {@link PanelKernel#TOKENS}, {@code [tile][columns][token]}. */
final class TokenTiles implements InputForm, Workers.Task {

  static final Kind<TokenTiles> KIND = new Kind<>("tiles of tokens", TokenTiles::new);

  private static final int WIDTH = PanelKernel.TOKENS;

  /** Columns that are turned at a time, so that the source stays in a first-level cache. */
  private static final int TURNED = 256;

  private float[] values = new float[0];
  private MemorySegment source;
  private int tokens;
  private int columns;

  @Override
  public void make(MemorySegment newValues, int newTokens, int newColumns, Workers workers) {
    source = newValues;
    tokens = newTokens;
    columns = newColumns;
    int length = Math.multiplyExact(Math.ceilDiv(tokens, WIDTH) * WIDTH, columns);
    if (values.length < length) {
      values = new float[length];
    }
    workers.run(this);
  }

  @Override
  public void run(int part, int parts) {
    int tiles = Math.ceilDiv(tokens, WIDTH);
    var rows = new float[WIDTH * TURNED];
    for (int tile = tiles * part / parts; tile < tiles * (part + 1) / parts; tile++) {
      int count = Math.min(WIDTH, tokens - tile * WIDTH);
      // Tokens that are not there are zeros.
      Arrays.fill(rows, 0);
      for (int from = 0; from < columns; from += TURNED) {
        int width = Math.min(TURNED, columns - from);
        for (int t = 0; t < count; t++) {
          long at = ((long) (tile * WIDTH + t) * columns + from) * Float.BYTES;
          MemorySegment.copy(source, JAVA_FLOAT_UNALIGNED, at, rows, t * TURNED, width);
        }
        turn(rows, width, values, (tile * columns + from) * WIDTH);
      }
    }
  }

  private static void turn(float[] rows, int width, float[] target, int at) {
    for (int k = 0; k < width; k++) {
      int to = at + k * WIDTH;
      target[to] = rows[k];
      target[to + 1] = rows[TURNED + k];
      target[to + 2] = rows[2 * TURNED + k];
      target[to + 3] = rows[3 * TURNED + k];
      target[to + 4] = rows[4 * TURNED + k];
      target[to + 5] = rows[5 * TURNED + k];
      target[to + 6] = rows[6 * TURNED + k];
      target[to + 7] = rows[7 * TURNED + k];
    }
  }

  float[] values() {
    return values;
  }

  int tokens() {
    return tokens;
  }
}
