package ai.lathe.runtime.kernel.layout;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.Workers;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * An input of integer kernels: {@code [tokens, columns]} in int8 codes, columns filled up with
 * zeros to a multiple of 64, with the scale and the sum of codes of each block of 32. Rows of a
 * token follow each other without gaps; every array begins at an address that 64 divides.
 *
 * <p>How codes and scales come about is an {@link InputRule}. A block that holds a NaN or an
 * infinity has the scale NaN and codes of zero (with one scale a token, the whole token), and so
 * leads to NaN in every output.
 */
public final class Int8Input implements InputForm {

  /** Columns of a block. */
  public static final int BLOCK = 32;

  /** An {@link InputRule} at work. */
  public interface Rounding {
    /**
     * Fills codes, scales and sums of a token, padding included.
     *
     * @param from the first of the token's values, an element of {@code values}
     */
    void round(MemorySegment values, long from, int columns, Int8Input target, int token);
  }

  private final Rounding rounding;
  private int capacity;
  private int tokens;
  private int padded;
  private MemorySegment codes;
  private MemorySegment scales;
  private MemorySegment sums;
  private MemorySegment halfSums;

  public Int8Input(Rounding rounding) {
    this.rounding = rounding;
  }

  @Override
  public void make(MemorySegment values, int newTokens, int columns, Workers workers) {
    resize(newTokens, columns);
    if (tokens < 2) {
      share(values, columns, 0, 1);
    } else {
      workers.run((part, parts) -> share(values, columns, part, parts));
    }
  }

  private void share(MemorySegment values, int columns, int part, int parts) {
    int end = (int) ((long) tokens * (part + 1) / parts);
    for (int t = (int) ((long) tokens * part / parts); t < end; t++) {
      rounding.round(values, (long) t * columns, columns, this, t);
    }
  }

  /** Memory for so many tokens; what is there already is kept where it is enough. */
  private void resize(int newTokens, int columns) {
    tokens = newTokens;
    padded = Math.ceilDiv(columns, Layout.COLUMNS) * Layout.COLUMNS;
    int needed = Math.multiplyExact(tokens, padded);
    if (needed > capacity) {
      // Freed when nothing reads it any more: other threads may still hold what it replaces.
      var arena = Arena.ofAuto();
      capacity = needed;
      codes = arena.allocate(needed, 64);
      scales = arena.allocate(needed / 8, 64);
      sums = arena.allocate(needed / 8, 64);
      halfSums = arena.allocate(needed / 4, 64);
    }
  }

  public int tokens() {
    return tokens;
  }

  /** Columns with padding, a multiple of 64: bytes from one token's codes to the next one's. */
  public int padded() {
    return padded;
  }

  /** Blocks of a token. */
  public int blocks() {
    return padded / BLOCK;
  }

  /** Where a token's codes begin. */
  public long codeAt(int token) {
    return (long) token * padded;
  }

  /** The element of {@link #scales} and {@link #sums} where a token's blocks begin. */
  public long blockAt(int token) {
    return (long) token * blocks();
  }

  /** Zeros from a column on, a multiple of 32, to the end of a token. */
  public void pad(int token, int from) {
    codes.asSlice(codeAt(token) + from, padded - from).fill((byte) 0);
    for (int b = from / BLOCK; b < blocks(); b++) {
      scales.setAtIndex(JAVA_FLOAT, blockAt(token) + b, 0);
      setSums(token, b, 0, 0);
    }
  }

  /** The sums of a block's two halves, and of both. */
  public void setSums(int token, int block, int low, int high) {
    long at = blockAt(token) + block;
    halfSums.setAtIndex(JAVA_INT, 2 * at, low);
    halfSums.setAtIndex(JAVA_INT, 2 * at + 1, high);
    sums.setAtIndex(JAVA_INT, at, low + high);
  }

  /** Fills the sums of a token from its codes. */
  public void sum(int token) {
    for (int b = 0; b < blocks(); b++) {
      long at = codeAt(token) + (long) b * BLOCK;
      int low = 0;
      int high = 0;
      for (int k = 0; k < BLOCK / 2; k++) {
        low += codes.get(JAVA_BYTE, at + k);
        high += codes.get(JAVA_BYTE, at + BLOCK / 2 + k);
      }
      setSums(token, b, low, high);
    }
  }

  /** Int8 {@code [tokens, padded]}. */
  public MemorySegment codes() {
    return codes;
  }

  /** Float32 {@code [tokens, blocks]}; with one scale a token, all of a token's are the same. */
  public MemorySegment scales() {
    return scales;
  }

  /** Int32 {@code [tokens, blocks]}: the sum of each block's codes. */
  public MemorySegment sums() {
    return sums;
  }

  /** Int32 {@code [tokens, 2 * blocks]}: the sum of the codes of each 16 columns. */
  public MemorySegment halfSums() {
    return halfSums;
  }
}
