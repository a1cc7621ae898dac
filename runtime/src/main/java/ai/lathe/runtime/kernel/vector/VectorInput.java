package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * {@link Int8Input} in the orders that the vector kernels read: few tokens one after the other,
 * many in tiles. Each is made when the first matrix asks for it.
 */
final class VectorInput implements InputForm {

  /** Tokens that are multiplied without a panel. */
  static final int FEW = 4;

  private final Int8Input int8;
  private Workers workers;
  private byte[] codes = {};

  /** {@code [tokens][padded / 2]}, see {@link CodeSums}. */
  private int[] pairs = {};

  /** {@code [tokens][padded]}. */
  private float[] floats = {};

  /** {@code [tokens][blocks]}; of many tokens {@code [tiles][blocks][6]}. */
  private float[] scales = {};

  /** {@code [tokens][2 * blocks]}. */
  private int[] halfSums = {};

  /** Scale times sum of each group of 16, and of 32; in the order of scales. */
  private float[] products16 = {};

  private float[] products32 = {};

  /** {@code [tiles][padded][6]}. */
  private float[] tiles = {};

  private boolean hasPairs;
  private boolean hasFloats;

  VectorInput(InputRule rule) {
    int8 = new Int8Input(new VectorRounding(rule));
  }

  @Override
  public void make(MemorySegment values, int tokens, int columns, Workers newWorkers) {
    workers = newWorkers;
    int8.make(values, tokens, columns, newWorkers);
    hasPairs = false;
    hasFloats = false;
    int unit = many() ? PanelProduct.TOKENS : 1;
    int filled = Math.ceilDiv(tokens, unit) * unit;
    int n = filled * int8.padded();
    int blocks = filled * int8.blocks();
    if (codes.length < n) {
      codes = new byte[n];
      scales = new float[blocks];
      halfSums = new int[2 * blocks];
      products16 = new float[2 * blocks];
      products32 = new float[blocks];
    }
    // Tokens that fill up a tile are zeros.
    Arrays.fill(codes, tokens * int8.padded(), n, (byte) 0);
    if (many()) {
      if (tiles.length < n) {
        tiles = new float[n];
      }
      workers.run(this::tile);
    } else {
      MemorySegment.copy(int8.codes(), ValueLayout.JAVA_BYTE, 0, codes, 0, tokens * int8.padded());
      few(tokens);
    }
  }

  /** Whether tokens are in tiles. */
  boolean many() {
    return int8.tokens() > FEW;
  }

  int tokens() {
    return int8.tokens();
  }

  int padded() {
    return int8.padded();
  }

  int blocks() {
    return int8.blocks();
  }

  private void few(int tokens) {
    int blocks = tokens * blocks();
    MemorySegment.copy(int8.scales(), ValueLayout.JAVA_FLOAT, 0, scales, 0, blocks);
    MemorySegment.copy(int8.halfSums(), ValueLayout.JAVA_INT, 0, halfSums, 0, 2 * blocks);
    for (int b = 0; b < blocks; b++) {
      products16[2 * b] = scales[b] * halfSums[2 * b];
      products16[2 * b + 1] = scales[b] * halfSums[2 * b + 1];
      products32[b] = scales[b] * (halfSums[2 * b] + halfSums[2 * b + 1]);
    }
  }

  private void tile(int part, int parts) {
    int step = PanelProduct.TOKENS;
    int n = padded();
    int count = Math.ceilDiv(tokens(), step);
    int end = (int) ((long) count * (part + 1) / parts);
    for (int tile = (int) ((long) count * part / parts); tile < end; tile++) {
      int real = Math.min(step, tokens() - tile * step) * n;
      int from = tile * step * n;
      MemorySegment.copy(int8.codes(), ValueLayout.JAVA_BYTE, from, codes, from, real);
      interleave(codes, from, n, tiles);
      for (int i = 0; i < step; i++) {
        sides(tile, i, tile * step + i);
      }
    }
  }

  /** Six tokens side by side. */
  private static void interleave(byte[] codes, int from, int n, float[] tiles) {
    int second = from + n;
    int third = second + n;
    int fourth = third + n;
    int fifth = fourth + n;
    int sixth = fifth + n;
    for (int k = 0; k < n; k++) {
      int to = from + k * PanelProduct.TOKENS;
      tiles[to] = codes[from + k];
      tiles[to + 1] = codes[second + k];
      tiles[to + 2] = codes[third + k];
      tiles[to + 3] = codes[fourth + k];
      tiles[to + 4] = codes[fifth + k];
      tiles[to + 5] = codes[sixth + k];
    }
  }

  private void sides(int tile, int i, int token) {
    int step = PanelProduct.TOKENS;
    int to = tile * step * blocks() + i;
    boolean real = token < tokens();
    for (int b = 0; b < blocks(); b++, to += step) {
      long at = int8.blockAt(token) + b;
      float a = real ? int8.scales().getAtIndex(ValueLayout.JAVA_FLOAT, at) : 0;
      int low = real ? int8.halfSums().getAtIndex(ValueLayout.JAVA_INT, 2 * at) : 0;
      int high = real ? int8.halfSums().getAtIndex(ValueLayout.JAVA_INT, 2 * at + 1) : 0;
      int half = tile * step * 2 * blocks() + 2 * b * step + i;
      scales[to] = a;
      products32[to] = a * (low + high);
      products16[half] = a * low;
      products16[half + step] = a * high;
    }
  }

  /** Makes {@link #pairs}; few tokens. For the owning thread. */
  void makePairs() {
    if (hasPairs) {
      return;
    }
    int n = tokens() * padded();
    if (pairs.length < n / 2) {
      pairs = new int[n / 2];
    }
    for (int k = 0, p = 0; k < n; k += 8, p += 4) {
      pairs[p] = codes[k] & 0xFFFF | codes[k + 2] << 16;
      pairs[p + 1] = codes[k + 4] & 0xFFFF | codes[k + 6] << 16;
      pairs[p + 2] = codes[k + 1] & 0xFFFF | codes[k + 3] << 16;
      pairs[p + 3] = codes[k + 5] & 0xFFFF | codes[k + 7] << 16;
    }
    hasPairs = true;
  }

  /** Makes {@link #floats}; few tokens. For the owning thread. */
  void makeFloats() {
    if (hasFloats) {
      return;
    }
    int n = tokens() * padded();
    if (floats.length < n) {
      floats = new float[n];
    }
    for (int k = 0; k < n; k++) {
      floats[k] = codes[k];
    }
    hasFloats = true;
  }

  int[] pairs() {
    return pairs;
  }

  float[] floats() {
    return floats;
  }

  float[] scales() {
    return scales;
  }

  int[] halfSums() {
    return halfSums;
  }

  /** Scale times sum of each group. */
  float[] products(int group) {
    return group == Int8Input.BLOCK ? products32 : products16;
  }

  float[] tiles() {
    return tiles;
  }
}
