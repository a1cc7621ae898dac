package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * An int8 input in {@link Tile}s: one of up to {@link Tile#FEW} tokens; or of more tokens, as even
 * as can be, larger ones first, so that there are at most two sizes. What tiles have in front comes
 * first, then for each {@link Panel#COLUMNS} columns all tiles one after the other.
 */
final class TiledInput implements InputForm {

  private static final int CHUNK = Panel.COLUMNS / Layout.COLUMNS;

  private final Layout layout;
  private final Int8Input codes;
  private final Tile[] shapes = new Tile[Tile.FEW + 1];
  private Arena arena;
  private MemorySegment memory;
  private int tokens;
  private int tiles;

  /** Times 64 columns, padding included. */
  private int parts;

  /**
   * @param layout of the weights
   * @param codes an empty one; this form fills it
   */
  TiledInput(Layout layout, Int8Input codes) {
    this.layout = layout;
    this.codes = codes;
    for (int t = 1; t < shapes.length; t++) {
      shapes[t] = Tile.of(layout, t);
    }
  }

  @Override
  public void make(MemorySegment values, int newTokens, int columns, Workers workers) {
    codes.make(values, newTokens, columns, workers);
    tokens = newTokens;
    tiles = tokens <= Tile.FEW ? Math.min(tokens, 1) : Math.ceilDiv(tokens, Tile.MANY);
    parts = layout.units(columns) * (layout.unit() / Layout.COLUMNS);
    long needed = tokens * ((long) headerBytes() + parts * partBytes());
    if (memory == null || memory.byteSize() < needed) {
      if (arena != null) {
        arena.close();
      }
      arena = Arena.ofShared();
      memory = arena.allocate(needed, 64);
    }
    if (tiles == 1) {
      pack(0);
    } else {
      workers.run(this::share);
    }
  }

  private void share(int part, int all) {
    for (int i = part; i < tiles; i += all) {
      pack(i);
    }
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

  private void pack(int index) {
    int first = first(index);
    int count = first(index + 1) - first;
    var tile = shapes[count];
    int filled = codes.padded() / Layout.COLUMNS;
    for (int part = 0; part < parts; part++) {
      long at = at(part / CHUNK, first) + (long) (part % CHUNK) * tile.bytes();
      if (part >= filled) {
        memory.asSlice(at, tile.bytes()).fill((byte) 0);
        continue;
      }
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
