package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.emitted.Operand.Memory;
import ai.lathe.runtime.kernel.emitted.Operand.Zmm;
import java.util.Arrays;

/**
 * Writes machine code for x86-64: the vector instructions of {@link Instruction}, and the few
 * others that loops need. The order of operands is Intel's, the result first.
 *
 * @see <a
 *     href="https://www.intel.com/content/www/us/en/developer/articles/technical/intel-sdm.html">
 *     Intel's manual, volume 2, 2.1 and 2.7</a>
 */
final class Assembler {

  /**
   * A place in the code. Jumps go back to places that are bound, or forward to ones that will be.
   */
  static final class Label {
    private int position = -1;
    private int[] jumps = new int[0];
  }

  /** When a jump is taken, after a comparison or subtraction. */
  enum Condition {
    /** The result was zero: equal. */
    ZERO(4),
    NOT_ZERO(5);

    private final int code;

    Condition(int code) {
      this.code = code;
    }
  }

  /** Of unsigned numbers. */
  enum Order {
    LESS(1),
    AT_LEAST(5);

    private final int code;

    Order(int code) {
      this.code = code;
    }
  }

  private static final int REGISTER_ONLY = 0xC0;
  private static final int SHORT_DISPLACEMENT = 0x40;
  private static final int LONG_DISPLACEMENT = 0x80;

  private byte[] code = new byte[4096];
  private int size;

  /** The code so far. */
  byte[] code() {
    return Arrays.copyOf(code, size);
  }

  // ---- vectors --------------------------------------------------------------------------------

  /** {@code a = f(b)}, or {@code a = f(a, b)}. */
  void emit(Instruction instruction, Zmm a, Operand b) {
    evex(instruction, a.number(), 0, b, 0, false);
  }

  /** {@code a = f(b, c)}. */
  void emit(Instruction instruction, Zmm a, Zmm b, Operand c) {
    evex(instruction, a.number(), b.number(), c, 0, false);
  }

  /** {@code a = f(b, constant)}. */
  void emit(Instruction instruction, Zmm a, Operand b, int constant) {
    if (instruction.extension < 0) {
      evex(instruction, a.number(), 0, b, 0, false);
    } else {
      evex(instruction, instruction.extension, a.number(), b, 0, false);
    }
    write(constant);
  }

  /** {@code a = f(b, c, constant)}. */
  void emit(Instruction instruction, Zmm a, Zmm b, Operand c, int constant) {
    evex(instruction, a.number(), b.number(), c, 0, false);
    write(constant);
  }

  /** {@code a = f(b)} in the lanes whose bit is set in mask {@code k}; the others stay. */
  void merge(int k, Instruction instruction, Zmm a, Operand b) {
    evex(instruction, a.number(), 0, b, k, false);
  }

  /** {@code a = f(b)} in the lanes whose bit is set in mask {@code k}; the others become zero. */
  void zero(int k, Instruction instruction, Zmm a, Operand b) {
    evex(instruction, a.number(), 0, b, k, true);
  }

  /** {@code a = f(b, c)} likewise. */
  void zero(int k, Instruction instruction, Zmm a, Zmm b, Operand c) {
    evex(instruction, a.number(), b.number(), c, k, true);
  }

  /** Mask {@code to}: where {@code b} stands in this order to {@code c}, as unsigned int32. */
  void compare(int to, Zmm b, Operand c, Order order) {
    compare(to, b, c, order, 0);
  }

  /** Likewise, and the bit of mask {@code k} is set. */
  void compare(int to, Zmm b, Operand c, Order order, int k) {
    evex(Instruction.VPCMPUD, to, b.number(), c, k, false);
    write(order.code);
  }

  /** Mask {@code to}: where {@code b < c} as float32, which no number is that is none. */
  void less(int to, Zmm b, Operand c) {
    evex(Instruction.VCMPPS, to, b.number(), c, 0, false);
    write(0x11);
  }

  /** Mask {@code to}: where {@code b > c} likewise. */
  void greater(int to, Zmm b, Operand c) {
    evex(Instruction.VCMPPS, to, b.number(), c, 0, false);
    write(0x1E);
  }

  /**
   * Stores the lanes whose bit is set in mask {@code k}, each at the base plus its own number of
   * bytes. The mask becomes zero.
   */
  void scatter(Register base, Zmm bytes, Zmm a, int k) {
    places(Instruction.VPSCATTERDD, base, bytes, a, k);
  }

  /** Loads lanes from where {@link #scatter} would store them; the others stay. */
  void gather(Zmm a, Register base, Zmm bytes, int k) {
    places(Instruction.VPGATHERDD, base, bytes, a, k);
  }

  private void places(Instruction i, Register base, Zmm bytes, Zmm a, int k) {
    int index = bytes.number();
    // The index takes the places of the third operand's bit 4 and of the second one's bit 4.
    int c = base.ordinal() & 15 | (index >> 3 & 1) << 4;
    int b = index & 16;
    prefix(i.prefix, i.map, a.number(), b, c, k);
    write(i.opcode);
    boolean none = low(base.ordinal()) != low(Register.RBP.ordinal());
    write((none ? 0 : SHORT_DISPLACEMENT) | low(a.number()) << 3 | 4);
    write(low(index) << 3 | low(base.ordinal()));
    if (!none) {
      write(0);
    }
  }

  /** Loads the lanes whose bit is set in mask {@code k}, zeros into the others. */
  void load(Zmm a, Memory from, int k) {
    evex(Instruction.VMOVUPS, a.number(), 0, from, k, true);
  }

  void store(Memory to, Zmm a) {
    evex(Instruction.VMOVUPS_STORE, a.number(), 0, to, 0, false);
  }

  /** Stores the lanes whose bit is set in mask {@code k}. */
  void store(Memory to, Zmm a, int k) {
    evex(Instruction.VMOVUPS_STORE, a.number(), 0, to, k, false);
  }

  /** Every lane is the lower half of a general register. */
  void broadcast(Zmm a, Register from) {
    prefix(Instruction.Prefix.P66, 2, a.number(), 0, from.ordinal(), 0);
    write(0x7C);
    write(REGISTER_ONLY | low(a.number()) << 3 | low(from.ordinal()));
  }

  /** Mask {@code k} from the lowest 16 bits of a general register. */
  void mask(int k, Register from) {
    if (from.ordinal() < 8) {
      write(0xC5);
      write(0xF8);
    } else {
      write(0xC4);
      write(0xC1);
      write(0x78);
    }
    write(0x92);
    write(REGISTER_ONLY | k << 3 | low(from.ordinal()));
  }

  /** Mask {@code k} from 64 bits of memory. */
  void mask(int k, Memory from) {
    write(0xC4);
    write(0xC1 | (~high(from.base().ordinal()) & 1) << 5);
    write(0xF8);
    write(0x90);
    memory(k, from, 1);
  }

  /** The number of bits that are set in 64 of memory. */
  void countBits(Register to, Memory of) {
    write(0xF3);
    write(0x48 | high(to.ordinal()) << 2 | high(of.base().ordinal()));
    write(0x0F);
    write(0xB8);
    memory(to.ordinal(), of, 1);
  }

  /** Before returning: code that knows the first half of the registers alone is slow without it. */
  void vzeroupper() {
    write(0xC5);
    write(0xF8);
    write(0x77);
  }

  private void evex(Instruction i, int a, int b, Operand c, int mask, boolean zeroing) {
    int flags = mask | (zeroing ? 0x80 : 0);
    switch (c) {
      case Zmm(int number) -> {
        prefix(i.prefix, i.map, a, b, number, flags);
        write(i.opcode);
        write(REGISTER_ONLY | low(a) << 3 | low(number));
      }
      case Memory memory -> {
        int base = memory.base().ordinal();
        // Bit 4 of a base is bit 3 of the operand's number elsewhere: there are 16 bases.
        prefix(i.prefix, i.map, a, b, base, flags | (memory.each() ? 0x10 : 0));
        write(i.opcode);
        memory(a, memory, memory.each() ? Integer.BYTES : i.memoryBytes);
      }
    }
  }

  /** EVEX, four bytes; registers' upper bits stand inverted. */
  private void prefix(Instruction.Prefix prefix, int map, int a, int b, int c, int flags) {
    write(0x62);
    write((~a >> 3 & 1) << 7 | (~c >> 4 & 1) << 6 | (~c >> 3 & 1) << 5 | (~a >> 4 & 1) << 4 | map);
    write((~b & 15) << 3 | 4 | prefix.ordinal());
    write(0x40 | (~b >> 4 & 1) << 3 | flags);
  }

  // ---- everything else ------------------------------------------------------------------------

  void move(Register to, Register from) {
    wide(0x89, from, to);
  }

  void load(Register to, Memory from) {
    write(0x48 | high(to.ordinal()) << 2 | high(from.base().ordinal()));
    write(0x8B);
    memory(to.ordinal(), from, 1);
  }

  /** An unsigned number of 16 bits. */
  void loadShort(Register to, Memory from) {
    write(0x48 | high(to.ordinal()) << 2 | high(from.base().ordinal()));
    write(0x0F);
    write(0xB7);
    memory(to.ordinal(), from, 1);
  }

  void store(Memory to, Register from) {
    write(0x48 | high(from.ordinal()) << 2 | high(to.base().ordinal()));
    write(0x89);
    memory(from.ordinal(), to, 1);
  }

  /** The lower half; the upper half becomes zero. */
  void move(Register to, int constant) {
    if (high(to.ordinal()) != 0) {
      write(0x41);
    }
    write(0xB8 | low(to.ordinal()));
    write32(constant);
  }

  void add(Register to, Register from) {
    wide(0x01, from, to);
  }

  void subtract(Register to, Register from) {
    wide(0x29, from, to);
  }

  void add(Register to, int constant) {
    arithmetic(0, to, constant);
  }

  void subtract(Register to, int constant) {
    arithmetic(5, to, constant);
  }

  void compare(Register a, int constant) {
    arithmetic(7, a, constant);
  }

  void multiply(Register to, int constant) {
    write(0x48 | high(to.ordinal()) << 2 | high(to.ordinal()));
    write(0x69);
    write(REGISTER_ONLY | low(to.ordinal()) << 3 | low(to.ordinal()));
    write32(constant);
  }

  void shiftRight(Register to, int bits) {
    write(0x48 | high(to.ordinal()));
    write(0xC1);
    write(REGISTER_ONLY | 5 << 3 | low(to.ordinal()));
    write(bits);
  }

  void shiftLeft(Register to, int bits) {
    write(0x48 | high(to.ordinal()));
    write(0xC1);
    write(REGISTER_ONLY | 4 << 3 | low(to.ordinal()));
    write(bits);
  }

  /** Whether all of these bits of the lowest 32 are clear: {@link Condition#ZERO}. */
  void test(Register a, int bits) {
    if (high(a.ordinal()) != 0) {
      write(0x41);
    }
    if (a == Register.RAX) {
      write(0xA9);
    } else {
      write(0xF7);
      write(REGISTER_ONLY | low(a.ordinal()));
    }
    write32(bits);
  }

  void push(Register from) {
    stack(0x50, from);
  }

  void pop(Register to) {
    stack(0x58, to);
  }

  void bind(Label label) {
    label.position = size;
    for (int jump : label.jumps) {
      patch(jump, size);
    }
  }

  void jump(Condition condition, Label to) {
    write(0x0F);
    write(0x80 | condition.code);
    distance(to);
  }

  void jump(Label to) {
    write(0xE9);
    distance(to);
  }

  private void distance(Label to) {
    write32(0);
    if (to.position >= 0) {
      patch(size - Integer.BYTES, to.position);
    } else {
      to.jumps = Arrays.copyOf(to.jumps, to.jumps.length + 1);
      to.jumps[to.jumps.length - 1] = size - Integer.BYTES;
    }
  }

  /** Asks for the cache line there, to be read soon. */
  void prefetch(Memory at) {
    if (high(at.base().ordinal()) != 0) {
      write(0x41);
    }
    write(0x0F);
    write(0x18);
    memory(1, at, 1);
  }

  void cpuid() {
    write(0x0F);
    write(0xA2);
  }

  /** Which registers the operating system saves, into EDX:EAX; RCX is 0. */
  void xgetbv() {
    write(0x0F);
    write(0x01);
    write(0xD0);
  }

  void ret() {
    write(0xC3);
  }

  /** {@code operation to, from} on 64 bits. */
  private void wide(int opcode, Register from, Register to) {
    write(0x48 | high(from.ordinal()) << 2 | high(to.ordinal()));
    write(opcode);
    write(REGISTER_ONLY | low(from.ordinal()) << 3 | low(to.ordinal()));
  }

  private void arithmetic(int operation, Register to, int constant) {
    boolean small = constant == (byte) constant;
    write(0x48 | high(to.ordinal()));
    if (!small && to == Register.RAX) {
      write(operation << 3 | 5);
    } else {
      write(small ? 0x83 : 0x81);
      write(REGISTER_ONLY | operation << 3 | low(to.ordinal()));
    }
    if (small) {
      write(constant);
    } else {
      write32(constant);
    }
  }

  private void stack(int opcode, Register register) {
    if (high(register.ordinal()) != 0) {
      write(0x41);
    }
    write(opcode | low(register.ordinal()));
  }

  /**
   * The bytes that name a register and a place in memory.
   *
   * @param unit small displacements are counted in this many bytes
   */
  private void memory(int register, Memory memory, int unit) {
    int base = low(memory.base().ordinal());
    int displacement = memory.displacement();
    boolean none = displacement == 0 && base != low(Register.RBP.ordinal());
    boolean small = displacement % unit == 0 && displacement / unit == (byte) (displacement / unit);
    write((none ? 0 : small ? SHORT_DISPLACEMENT : LONG_DISPLACEMENT) | low(register) << 3 | base);
    if (base == low(Register.RSP.ordinal())) {
      write(0x24); // That number in place of a base announces another byte: here, no index.
    }
    if (none) {
      return;
    }
    if (small) {
      write(displacement / unit);
    } else {
      write32(displacement);
    }
  }

  private static int low(int register) {
    return register & 7;
  }

  private static int high(int register) {
    return register >> 3 & 1;
  }

  private void patch(int at, int target) {
    int distance = target - (at + Integer.BYTES);
    for (int i = 0; i < Integer.BYTES; i++) {
      code[at + i] = (byte) (distance >> 8 * i);
    }
  }

  private void write(int value) {
    if (size == code.length) {
      code = Arrays.copyOf(code, 2 * size);
    }
    code[size++] = (byte) value;
  }

  private void write32(int value) {
    for (int i = 0; i < Integer.BYTES; i++) {
      write(value >> 8 * i);
    }
  }
}
