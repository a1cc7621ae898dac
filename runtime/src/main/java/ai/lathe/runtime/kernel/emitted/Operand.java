package ai.lathe.runtime.kernel.emitted;

/** What a vector instruction may read last: a register of 64 bytes, or memory. */
sealed interface Operand {

  /**
   * One of the 32 vector registers; instructions that narrow or widen use its first half.
   *
   * @param number 0 to 31
   */
  record Zmm(int number) implements Operand {
    public Zmm {
      if (number < 0 || number > 31) {
        throw new IllegalArgumentException("there is no zmm" + number);
      }
    }
  }

  /**
   * Memory at a register plus a number of bytes.
   *
   * @param each whether four bytes there are every lane
   */
  record Memory(Register base, int displacement, boolean each) implements Operand {}

  static Zmm zmm(int number) {
    return new Zmm(number);
  }
}
