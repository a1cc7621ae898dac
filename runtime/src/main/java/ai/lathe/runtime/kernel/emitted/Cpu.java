package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Register.*;

import ai.lathe.runtime.kernel.memory.Pages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * What the processor can do, by its own word (CPUID), and what the operating system saves of its
 * registers when threads take turns (XGETBV): without that, vectors would change between two
 * instructions.
 *
 * @param avx512 the foundation: 32 registers of 512 bits
 * @param vnni products of bytes, summed in int32
 * @param bf16 products of bfloat16, summed in float32
 * @param vbmi2 bytes spread out by a mask
 * @param saved all of the vector registers are saved
 */
record Cpu(boolean avx512, boolean vnni, boolean bf16, boolean vbmi2, boolean saved) {

  /** SSE, AVX, masks, the upper halves, and the upper 16 registers. */
  private static final long SAVED = 0xE6;

  /** What the kernels need and this processor lacks; empty where they can run. */
  List<String> missing() {
    var missing = new ArrayList<String>();
    if (!avx512) {
      missing.add("AVX-512");
    }
    if (!vnni) {
      missing.add("AVX-512 VNNI");
    }
    if (missing.isEmpty() && !saved) {
      missing.add("an operating system that saves 512-bit registers");
    }
    return missing;
  }

  /** Asks the processor, by code that any x86-64 can run. */
  static Cpu read() throws Pages.Refused {
    var cpuid = Pages.executable(cpuidCode());
    var xgetbv = Pages.executable(xgetbvCode());
    var call = NativeCall.withLongs(3);
    try (var arena = Arena.ofConfined()) {
      var out = arena.allocate(4 * ValueLayout.JAVA_LONG.byteSize(), 8);
      long leaves = ask(call, cpuid, 0, 0, out)[0];
      boolean xsave = leaves >= 1 && bit(ask(call, cpuid, 1, 0, out)[2], 27);
      var seven = leaves >= 7 ? ask(call, cpuid, 7, 0, out) : new long[4];
      var more = leaves >= 7 && seven[0] >= 1 ? ask(call, cpuid, 7, 1, out) : new long[4];
      boolean saved = xsave && (ask(call, xgetbv, 0, 0, out)[0] & SAVED) == SAVED;
      return new Cpu(
          bit(seven[1], 16), bit(seven[2], 11), bit(more[0], 5), bit(seven[2], 6), saved);
    }
  }

  private static boolean bit(long bits, int number) {
    return (bits >> number & 1) != 0;
  }

  /** EAX, EBX, ECX, EDX. */
  private static long[] ask(
      MethodHandle call, MemorySegment code, long leaf, long subleaf, MemorySegment out) {
    try {
      call.invokeExact(code, leaf, subleaf, out.address());
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    return out.toArray(ValueLayout.JAVA_LONG);
  }

  /** {@code f(leaf, subleaf, out)}; RBX belongs to the caller. */
  private static byte[] cpuidCode() {
    var a = new Assembler();
    a.push(RBX);
    a.move(R8, RDX);
    a.move(RAX, RDI);
    a.move(RCX, RSI);
    a.cpuid();
    a.store(R8.at(0), RAX);
    a.store(R8.at(8), RBX);
    a.store(R8.at(16), RCX);
    a.store(R8.at(24), RDX);
    a.pop(RBX);
    a.ret();
    return a.code();
  }

  /** {@code f(unused, unused, out)}. */
  private static byte[] xgetbvCode() {
    var a = new Assembler();
    a.move(R8, RDX);
    a.move(RCX, 0);
    a.xgetbv();
    a.store(R8.at(0), RAX);
    a.ret();
    return a.code();
  }
}
