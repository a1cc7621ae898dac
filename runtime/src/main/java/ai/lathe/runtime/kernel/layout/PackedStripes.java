package ai.lathe.runtime.kernel.layout;

import java.lang.foreign.MemorySegment;

/** A matrix of integer codes in stripes of {@link Layout#ROWS} rows, one after the other. */
public interface PackedStripes {

  /** Of the codes as kernels multiply them. */
  Layout layout();

  /** Output features. */
  int rows();

  /** Input features. */
  int columns();

  /** The stripes in order. */
  MemorySegment codes();

  /** Where in {@link #codes} a stripe begins. */
  long stripeAt(int stripe);

  /** From a unit to the next, from the begin of a stripe. */
  default int headBytes() {
    return layout().unitBytes();
  }

  /** From the begin of a stripe to the sides of its first unit, where units are in parts. */
  default long sidesAt() {
    return 0;
  }

  /** From the sides of a unit to those of the next, where units are in parts. */
  default int sideBytes() {
    return 0;
  }

  /** From the begin of a stripe to its codes, where units are in parts. */
  default long codesAt() {
    return 0;
  }

  /** Float32, what each row is multiplied with last, filled up with zeros to whole stripes. */
  MemorySegment factors();

  /** Bytes that one pass reads. */
  long bytes();

  /** How the codes are kept, for people. */
  String label();

  /** Number of stripes. */
  default int count() {
    return Layout.stripes(rows());
  }
}
