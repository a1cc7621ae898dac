package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * An int8 input in {@link Tile}s: one of up to {@link Tile#FEW} tokens; or of more tokens, as even
 * as can be, larger ones first, so that there are at most two sizes. What tiles have in front comes
 * first, then for each {@link Panel#COLUMNS} columns all tiles one after the other.
 */
final class TiledInput implements InputForm {

  private static final int CHUNK = Panel.COLUMNS / Layout.COLUMNS;
  private static final int END_BYTES = Layout.COLUMNS * Float.BYTES;

  private final Layout layout;
  private final Kernels kernels;

  /** Whether machine code rounds the input; otherwise {@link #codes} come first. */
  private final boolean direct;

  private final Int8Input codes;
  private final Tile[] shapes = new Tile[Tile.FEW + 1];
  private final Workers.Task roundTiles = (part, all) -> share(true, part, all);
  private final Workers.Task packTiles = (part, all) -> share(false, part, all);
  private MemorySegment memory;

  /** For each thread, 64 columns of which only the first ones are there. */
  private MemorySegment ends;

  private MemorySegment values;
  private int tokens;
  private int columns;
  private int tiles;

  /** Times 64 columns, padding included. */
  private int parts;

  /**
   * @param layout of the weights
   * @param kernels of that layout
   * @param rounding of the rule, for what machine code does not round
   */
  TiledInput(Layout layout, Kernels kernels, InputRule rule, Int8Input.Rounding rounding) {
    this.layout = layout;
    this.kernels = kernels;
    direct = kernels.rounds() && rule.equals(InputRule.blocks(null));
    codes = new Int8Input(rounding);
    for (int t = 1; t < shapes.length; t++) {
      shapes[t] = Tile.of(layout, t);
    }
  }

  @Override
  public void make(MemorySegment newValues, int newTokens, int newColumns, Workers workers) {
    boolean rounds = direct && newValues.isNative();
    if (!rounds) {
      codes.make(newValues, newTokens, newColumns, workers);
    }
    Objects.checkFromIndexSize(
        0, (long) newTokens * newColumns * Float.BYTES, newValues.byteSize());
    values = newValues;
    tokens = newTokens;
    columns = newColumns;
    tiles = tokens <= Tile.FEW ? Math.min(tokens, 1) : Math.ceilDiv(tokens, Tile.MANY);
    parts = layout.units(columns) * (layout.unit() / Layout.COLUMNS);
    resize(workers.count());
    if (tiles == 1) {
      share(rounds, 0, 1);
    } else {
      workers.run(rounds ? roundTiles : packTiles);
    }
  }

  private void resize(int threads) {
    long needed = tokens * ((long) headerBytes() + parts * partBytes());
    if (memory == null || memory.byteSize() < needed) {
      // Freed when nothing reads it any more: other threads may still hold what it replaces.
      memory = Arena.ofAuto().allocate(needed, 64);
    }
    if (ends == null || ends.byteSize() < (long) threads * END_BYTES) {
      ends = Arena.ofAuto().allocate((long) threads * END_BYTES, 64);
    }
  }

  private void share(boolean rounds, int part, int all) {
    for (int i = part; i < tiles; i += all) {
      if (rounds) {
        round(i, (long) part * END_BYTES);
      } else {
        pack(i);
      }
    }
  }

  /**
   * By machine code.
   *
   * @param end where in {@link #ends} there is room for 64 columns
   */
  private void round(int index, long end) {
    int first = first(index);
    int count = first(index + 1) - first;
    int bytes = shapes[count].bytes();
    int whole = columns / Layout.COLUMNS;
    for (int chunk = 0; chunk < chunks(); chunk++) {
      int begin = chunk * CHUNK;
      int last = begin + parts(chunk);
      long target = address(chunk, first);
      for (int t = 0; t < count; t++) {
        long row = (long) (first + t) * columns * Float.BYTES;
        long source = row + (long) begin * END_BYTES;
        if (whole > begin) {
          kernels.round(
              count,
              values.address() + source,
              target + 4 * t,
              Math.min(whole, last) - begin,
              bytes);
        }
        if (begin <= whole && whole < last && columns % Layout.COLUMNS != 0) {
          copyEnd(row + (long) whole * END_BYTES, end);
          kernels.round(
              count,
              ends.address() + end,
              target + (long) (whole - begin) * bytes + 4 * t,
              1,
              bytes);
        }
      }
    }
    fillPadding(shapes[count], first);
  }

  /** The last columns, filled up with zeros. */
  private void copyEnd(long source, long end) {
    long there = (long) columns % Layout.COLUMNS * Float.BYTES;
    MemorySegment.copy(values, source, ends, end, there);
    clear(ends, end + there, END_BYTES - there);
  }

  /** Units may be wider than what is there of the input. */
  private void fillPadding(Tile tile, int first) {
    for (int part = Math.ceilDiv(columns, Layout.COLUMNS); part < parts; part++) {
      clear(memory, at(first, tile, part), tile.bytes());
    }
  }

  /** Without a slice, which would be an object for each token. */
  private static void clear(MemorySegment of, long at, long bytes) {
    for (long end = at + bytes; at < end; at += Integer.BYTES) {
      of.set(ValueLayout.JAVA_INT, at, 0);
    }
  }

  private long at(int first, Tile tile, int part) {
    return at(part / CHUNK, first) + (long) (part % CHUNK) * tile.bytes();
  }

  int tokens() {
    return tokens;
  }

  /** Whether all tokens are one tile. */
  boolean few() {
    return tokens <= Tile.FEW;
  }

  /** Tokens of the smaller tiles, which come last. */
  int size() {
    return tokens / tiles;
  }

  /** Tiles of one token more, which come first. */
  int larger() {
    return tokens % tiles;
  }

  int tiles() {
    return tiles;
  }

  /** The first token of a tile. */
  int first(int tile) {
    return tile * size() + Math.min(tile, larger());
  }

  /** Times {@link Panel#COLUMNS} columns, the last one shorter. */
  int chunks() {
    return Math.ceilDiv(parts, CHUNK);
  }

  /** Times 64 columns of a chunk. */
  int parts(int chunk) {
    return Math.min(CHUNK, parts - chunk * CHUNK);
  }

  /** The address of what the tile that begins with this token has in front. */
  long header(int first) {
    return memory.address() + (long) first * headerBytes();
  }

  /** The address of a chunk of the tile that begins with this token. */
  long address(int chunk, int first) {
    return memory.address() + at(chunk, first);
  }

  private long at(int chunk, int first) {
    return (long) tokens * headerBytes()
        + ((long) chunk * CHUNK * tokens + (long) first * parts(chunk)) * partBytes();
  }

  private int headerBytes() {
    return shapes[1].headerBytes();
  }

  /** Bytes of 64 columns of one token. */
  private long partBytes() {
    return shapes[1].bytes();
  }

  /** From the codes that plain Java has made. */
  private void pack(int index) {
    int first = first(index);
    int count = first(index + 1) - first;
    var tile = shapes[count];
    for (int part = 0; part < codes.padded() / Layout.COLUMNS; part++) {
      long at = at(first, tile, part);
      for (int t = 0; t < count; t++) {
        packCodes(tile, at, first + t, t, part);
        if (!tile.rowScales()) {
          packTerms(tile, at, first + t, t, part);
        }
      }
    }
    if (tile.rowScales()) {
      for (int t = 0; t < count; t++) {
        packHeader(tile, (long) first * headerBytes(), first + t, t);
      }
    }
    fillPadding(tile, first);
  }

  private void packCodes(Tile tile, long at, int token, int t, int part) {
    long source = (long) token * codes.padded() + (long) part * Layout.COLUMNS;
    for (int quad = 0; quad < Tile.QUADS; quad++) {
      memory.set(
          ValueLayout.JAVA_INT,
          at + tile.codesAt(quad, t),
          codes.codes().get(ValueLayout.JAVA_INT, source + 4 * quad));
    }
  }

  private void packTerms(Tile tile, long at, int token, int t, int part) {
    int blocks = Layout.COLUMNS / Int8Input.BLOCK;
    boolean halves = layout.group() < Int8Input.BLOCK;
    var sums = halves ? codes.halfSums() : codes.sums();
    long block = (long) token * codes.blocks() + part * blocks;
    for (int b = 0; b < blocks; b++) {
      memory.set(ValueLayout.JAVA_FLOAT, at + tile.scalesAt(b, t), scale(block + b));
    }
    for (int g = 0; g < tile.groups(); g++) {
      int sum = sums.getAtIndex(ValueLayout.JAVA_INT, (halves ? 2 * block : block) + g);
      if (tile.bias() != 0) {
        memory.set(ValueLayout.JAVA_INT, at + tile.startsAt(g, t), -tile.bias() * sum);
      }
      if (tile.minima()) {
        float scale = scale(block + (halves ? g / 2 : g));
        memory.set(ValueLayout.JAVA_FLOAT, at + tile.sumsAt(g, t), scale * sum);
      }
    }
  }

  private void packHeader(Tile tile, long at, int token, int t) {
    int sum = 0;
    long block = (long) token * codes.blocks();
    for (int b = 0; b < codes.blocks(); b++) {
      sum += codes.sums().getAtIndex(ValueLayout.JAVA_INT, block + b);
    }
    memory.set(ValueLayout.JAVA_INT, at + tile.startsAt(0, t), -tile.bias() * sum);
    memory.set(ValueLayout.JAVA_FLOAT, at + tile.scalesAt(0, t), scale(block));
  }

  private float scale(long block) {
    return codes.scales().getAtIndex(ValueLayout.JAVA_FLOAT, block);
  }
}
