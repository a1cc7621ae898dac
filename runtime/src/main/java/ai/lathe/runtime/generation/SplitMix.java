package ai.lathe.runtime.generation;

/**
 * SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"): the
 * state goes on by the golden ratio's constant, each state is mixed into a number. Written out here
 * so that a seed means the same for ever.
 */
final class SplitMix {

  private long state;

  SplitMix(long seed) {
    state = seed;
  }

  long next() {
    state += 0x9E3779B97F4A7C15L;
    long z = (state ^ state >>> 30) * 0xBF58476D1CE4E5B9L;
    z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
    return z ^ z >>> 31;
  }

  /** In {@code [0, 1)}, with 53 random bits. */
  double uniform() {
    return (next() >>> 11) * 0x1p-53;
  }
}
