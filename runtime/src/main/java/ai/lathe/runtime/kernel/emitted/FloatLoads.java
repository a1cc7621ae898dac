package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.*;

import ai.lathe.runtime.kernel.emitted.Operand.Memory;
import ai.lathe.runtime.kernel.emitted.Operand.Zmm;
import ai.lathe.tensor.DType;

/** Writes how stored floats become float32, which they all do exactly. */
final class FloatLoads {

  private final Assembler a;
  private final DType type;

  /**
   * @param type F32, BF16 or F16
   */
  FloatLoads(Assembler a, DType type) {
    this.a = a;
    this.type = type;
  }

  static boolean reads(DType type) {
    return type == DType.F32 || type == DType.BF16 || type == DType.F16;
  }

  int bytes() {
    return type == DType.F32 ? Float.BYTES : Short.BYTES;
  }

  /** 16 of them. */
  void load(Zmm to, Memory from) {
    switch (type) {
      case F32 -> a.emit(VMOVUPS, to, from);
      case BF16 -> {
        a.emit(VPMOVZXWD, to, from);
        a.emit(VPSLLD, to, to, 16);
      }
      default -> a.emit(VCVTPH2PS, to, from);
    }
  }

  /** Those whose bit is set in mask {@code k}, zeros for the others. */
  void load(Zmm to, Memory from, int k) {
    switch (type) {
      case F32 -> a.load(to, from, k);
      case BF16 -> {
        a.zero(k, VPMOVZXWD, to, from);
        a.emit(VPSLLD, to, to, 16);
      }
      default -> a.zero(k, VCVTPH2PS, to, from);
    }
  }
}
