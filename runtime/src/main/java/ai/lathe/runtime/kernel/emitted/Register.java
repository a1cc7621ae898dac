package ai.lathe.runtime.kernel.emitted;

/** General registers of 64 bits, in the order of their numbers. */
enum Register {
  RAX,
  RCX,
  RDX,
  RBX,
  RSP,
  RBP,
  RSI,
  RDI,
  R8,
  R9,
  R10,
  R11,
  R12,
  R13,
  R14,
  R15;

  /** The bytes that lie this far from the address in the register. */
  Operand.Memory at(int displacement) {
    return new Operand.Memory(this, displacement, false);
  }

  /** The four bytes there, as every lane of a vector. */
  Operand.Memory each(int displacement) {
    return new Operand.Memory(this, displacement, true);
  }
}
