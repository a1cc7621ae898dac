package ai.lathe.runtime.kernel.emitted;

/**
 * The vector instructions that kernels use, all on 512 bits with 32-bit lanes unless their name
 * says otherwise, as EVEX encodes them.
 *
 * @see <a
 *     href="https://www.intel.com/content/www/us/en/developer/articles/technical/intel-sdm.html">
 *     Intel's manual, volume 2</a>
 */
enum Instruction {
  /** {@code a = memory}. */
  VMOVUPS(Prefix.NONE, 1, 0x10, 64),
  /** {@code memory = a}; see {@link Assembler#store}. */
  VMOVUPS_STORE(Prefix.NONE, 1, 0x11, 64),
  VADDPS(Prefix.NONE, 1, 0x58, 64),
  VMULPS(Prefix.NONE, 1, 0x59, 64),
  VSUBPS(Prefix.NONE, 1, 0x5C, 64),
  VDIVPS(Prefix.NONE, 1, 0x5E, 64),
  /** The larger one; {@code c} where one of them is no number. */
  VMAXPS(Prefix.NONE, 1, 0x5F, 64),
  /** Float32 of int32. */
  VCVTDQ2PS(Prefix.NONE, 1, 0x5B, 64),
  /** Int32 of float32, ties to even. */
  VCVTPS2DQ(Prefix.P66, 1, 0x5B, 64),
  /** 16-bit numbers of int32 ones, cut to their range; both operands by turns, 4 numbers each. */
  VPACKSSDW(Prefix.P66, 1, 0x6B, 64),
  /** Bytes of 16-bit numbers, cut to their range; both operands by turns, 8 numbers each. */
  VPACKSSWB(Prefix.P66, 1, 0x63, 64),
  /** Another order within each four lanes, a constant. */
  VPSHUFD(Prefix.P66, 1, 0x70, 64),
  VPANDD(Prefix.P66, 1, 0xDB, 64),
  VPORD(Prefix.P66, 1, 0xEB, 64),
  VPXORD(Prefix.P66, 1, 0xEF, 64),
  VPSUBD(Prefix.P66, 1, 0xFA, 64),
  VPADDD(Prefix.P66, 1, 0xFE, 64),
  /** Shift right by a constant, zeros from the left. */
  VPSRLD(Prefix.P66, 1, 0x72, 64, 2),
  /** Shift right by a constant, the sign from the left. */
  VPSRAD(Prefix.P66, 1, 0x72, 64, 4),
  /** Shift left by a constant. */
  VPSLLD(Prefix.P66, 1, 0x72, 64, 6),
  /** Float32 of 16 float16 values: half a vector, or 32 bytes. */
  VCVTPH2PS(Prefix.P66, 2, 0x13, 32),
  VBROADCASTSS(Prefix.P66, 2, 0x18, 4),
  /** Int32 of 16 signed bytes. */
  VPMOVSXBD(Prefix.P66, 2, 0x21, 16),
  /** Int32 of 16 unsigned bytes. */
  VPMOVZXBD(Prefix.P66, 2, 0x31, 16),
  /** Int32 of 16 unsigned numbers of 16 bits. */
  VPMOVZXWD(Prefix.P66, 2, 0x33, 32),
  /** The lower 16 bits of each lane, one after the other; the result is the operand read last. */
  VPMOVDW(Prefix.PF3, 2, 0x33, 32),
  /** The larger one as unsigned int32. */
  VPMAXUD(Prefix.P66, 2, 0x3F, 64),
  /** {@code a += } the sum of four products of an unsigned byte of {@code b} and a signed one. */
  VPDPBUSD(Prefix.P66, 2, 0x50, 64),
  /** See {@link Assembler#gather}. */
  VPGATHERDD(Prefix.P66, 2, 0x90, 4),
  /** Four bytes of memory as every lane. */
  VPBROADCASTD(Prefix.P66, 2, 0x58, 4),
  /** {@code a += b c}, rounded once. */
  VFMADD231PS(Prefix.P66, 2, 0xB8, 64),
  /** {@code a -= b c}, rounded once. */
  VFNMADD231PS(Prefix.P66, 2, 0xBC, 64),
  /** The first bytes, one after the other, in the lanes whose bit is set in a mask. */
  VPEXPANDB(Prefix.P66, 2, 0x62, 1),
  /** See {@link Assembler#scatter}. */
  VPSCATTERDD(Prefix.P66, 2, 0xA0, 4),
  /** Compares float32; see {@link Assembler#less} and {@link Assembler#greater}. */
  VCMPPS(Prefix.NONE, 1, 0xC2, 64),
  /** Compares unsigned int32; see {@link Assembler#compare(int, Zmm, Operand, Order, int)}. */
  VPCMPUD(Prefix.P66, 3, 0x1E, 64),
  /** Fours of lanes of {@code b}, then of {@code c}, in an order that is a constant. */
  VSHUFI32X4(Prefix.P66, 3, 0x43, 64),
  /** Any function of three bits, its truth table a constant. */
  VPTERNLOGD(Prefix.P66, 3, 0x25, 64);

  /** What used to be prefix bytes, as EVEX numbers them. */
  enum Prefix {
    NONE,
    P66,
    PF3,
    PF2
  }

  final Prefix prefix;

  /** 1 for 0F, 2 for 0F38, 3 for 0F3A. */
  final int map;

  final int opcode;

  /** Bytes that it reads of memory; small displacements are multiples of it. */
  final int memoryBytes;

  /** Of instructions that share an opcode: what stands in place of the first register; else -1. */
  final int extension;

  Instruction(Prefix prefix, int map, int opcode, int memoryBytes) {
    this(prefix, map, opcode, memoryBytes, -1);
  }

  Instruction(Prefix prefix, int map, int opcode, int memoryBytes, int extension) {
    this.prefix = prefix;
    this.map = map;
    this.opcode = opcode;
    this.memoryBytes = memoryBytes;
    this.extension = extension;
  }
}
