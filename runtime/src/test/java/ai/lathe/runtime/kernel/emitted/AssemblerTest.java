package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.*;
import static ai.lathe.runtime.kernel.emitted.Operand.zmm;
import static ai.lathe.runtime.kernel.emitted.Register.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.runtime.kernel.emitted.Assembler.Condition;
import ai.lathe.runtime.kernel.emitted.Assembler.Label;
import ai.lathe.runtime.kernel.emitted.Assembler.Order;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The bytes are GNU as's (binutils 2.40), one instruction at a time. */
class AssemblerTest {

  record Golden(String text, String bytes, Consumer<Assembler> call) {
    @Override
    public String toString() {
      return text;
    }
  }

  private static Golden expect(String text, String bytes, Consumer<Assembler> call) {
    return new Golden(text, bytes, call);
  }

  static final List<Golden> GOLDEN =
      List.of(
          expect("vmovups zmm1, [rdi]", "62f17c48100f", a -> a.emit(VMOVUPS, zmm(1), RDI.at(0))),
          expect(
              "vmovups zmm17, [rsi+64]",
              "62e17c48104e01",
              a -> a.emit(VMOVUPS, zmm(17), RSI.at(64))),
          expect(
              "vmovups zmm31, [r8+8128]",
              "62417c4810787f",
              a -> a.emit(VMOVUPS, zmm(31), R8.at(8128))),
          expect(
              "vmovups zmm31, [r8+8192]",
              "62417c4810b800200000",
              a -> a.emit(VMOVUPS, zmm(31), R8.at(8192))),
          expect(
              "vmovups zmm8, [rax-8192]",
              "62717c48104080",
              a -> a.emit(VMOVUPS, zmm(8), RAX.at(-8192))),
          expect(
              "vmovups zmm8, [rax+4]",
              "62717c48108004000000",
              a -> a.emit(VMOVUPS, zmm(8), RAX.at(4))),
          expect("vmovups zmm3, [rsp]", "62f17c48101c24", a -> a.emit(VMOVUPS, zmm(3), RSP.at(0))),
          expect(
              "vmovups zmm3, [r12+64]",
              "62d17c48105c2401",
              a -> a.emit(VMOVUPS, zmm(3), R12.at(64))),
          expect("vmovups zmm3, [rbp]", "62f17c48105d00", a -> a.emit(VMOVUPS, zmm(3), RBP.at(0))),
          expect("vmovups zmm3, [r13]", "62d17c48105d00", a -> a.emit(VMOVUPS, zmm(3), R13.at(0))),
          expect("vmovups zmm2{k1}{z}, [rdx]", "62f17cc91012", a -> a.load(zmm(2), RDX.at(0), 1)),
          expect("vmovups [rcx], zmm29", "62617c481129", a -> a.store(RCX.at(0), zmm(29))),
          expect(
              "vmovups [r9+128]{k3}, zmm12",
              "62517c4b116102",
              a -> a.store(R9.at(128), zmm(12), 3)),
          expect(
              "vaddps zmm1, zmm2, zmm3",
              "62f16c4858cb",
              a -> a.emit(VADDPS, zmm(1), zmm(2), zmm(3))),
          expect(
              "vmulps zmm9, zmm10, dword ptr [rsi+12]{1to16}",
              "62712c58594e03",
              a -> a.emit(VMULPS, zmm(9), zmm(10), RSI.each(12))),
          expect(
              "vmulps zmm30, zmm20, zmm24",
              "62015c4059f0",
              a -> a.emit(VMULPS, zmm(30), zmm(20), zmm(24))),
          expect("vcvtdq2ps zmm16, zmm8", "62c17c485bc0", a -> a.emit(VCVTDQ2PS, zmm(16), zmm(8))),
          expect(
              "vpandd zmm25, zmm24, zmm31",
              "62013d40dbcf",
              a -> a.emit(VPANDD, zmm(25), zmm(24), zmm(31))),
          expect(
              "vpandd zmm5, zmm31, [rdi+192]",
              "62f10540db6f03",
              a -> a.emit(VPANDD, zmm(5), zmm(31), RDI.at(192))),
          expect(
              "vpord zmm5, zmm6, zmm23",
              "62b14d48ebef",
              a -> a.emit(VPORD, zmm(5), zmm(6), zmm(23))),
          expect(
              "vpxord zmm0, zmm0, zmm0",
              "62f17d48efc0",
              a -> a.emit(VPXORD, zmm(0), zmm(0), zmm(0))),
          expect(
              "vpxord zmm24, zmm31, [r10+64]",
              "62410540ef4201",
              a -> a.emit(VPXORD, zmm(24), zmm(31), R10.at(64))),
          expect(
              "vpaddd zmm12, zmm12, zmm28",
              "62111d48fee4",
              a -> a.emit(VPADDD, zmm(12), zmm(12), zmm(28))),
          expect(
              "vpsrld zmm26, zmm24, 4", "62912d4072d004", a -> a.emit(VPSRLD, zmm(26), zmm(24), 4)),
          expect(
              "vpsrld zmm6, [rdi+64], 4",
              "62f14d4872570104",
              a -> a.emit(VPSRLD, zmm(6), RDI.at(64), 4)),
          expect(
              "vpslld zmm16, zmm7, 18", "62f17d4072f712", a -> a.emit(VPSLLD, zmm(16), zmm(7), 18)),
          expect(
              "vcvtph2ps zmm27, ymm28", "62027d4813dc", a -> a.emit(VCVTPH2PS, zmm(27), zmm(28))),
          expect(
              "vcvtph2ps zmm7, [rdi+96]",
              "62f27d48137f03",
              a -> a.emit(VCVTPH2PS, zmm(7), RDI.at(96))),
          expect(
              "vbroadcastss zmm7, [rdx+4]",
              "62f27d48187a01",
              a -> a.emit(VBROADCASTSS, zmm(7), RDX.at(4))),
          expect(
              "vpmovsxbd zmm18, [rdi+48]",
              "62e27d48215703",
              a -> a.emit(VPMOVSXBD, zmm(18), RDI.at(48))),
          expect(
              "vpmovzxbd zmm18, [rdi+24]",
              "62e27d48319718000000",
              a -> a.emit(VPMOVZXBD, zmm(18), RDI.at(24))),
          expect(
              "vpmovzxwd zmm1, [rdi+32]",
              "62f27d48334f01",
              a -> a.emit(VPMOVZXWD, zmm(1), RDI.at(32))),
          expect("vpmovzxwd zmm1, ymm2", "62f27d4833ca", a -> a.emit(VPMOVZXWD, zmm(1), zmm(2))),
          expect("vpmovdw ymm28, zmm29", "62027e4833ec", a -> a.emit(VPMOVDW, zmm(29), zmm(28))),
          expect(
              "vpdpbusd zmm3, zmm25, dword ptr [rsi+508]{1to16}",
              "62f23550505e7f",
              a -> a.emit(VPDPBUSD, zmm(3), zmm(25), RSI.each(508))),
          expect(
              "vpdpbusd zmm13, zmm5, dword ptr [rsi+512]{1to16}",
              "6272555850ae00020000",
              a -> a.emit(VPDPBUSD, zmm(13), zmm(5), RSI.each(512))),
          expect(
              "vpdpbusd zmm13, zmm5, zmm30",
              "6212554850ee",
              a -> a.emit(VPDPBUSD, zmm(13), zmm(5), zmm(30))),
          expect(
              "vpbroadcastd zmm12, [rdx+8]",
              "62727d48586202",
              a -> a.emit(VPBROADCASTD, zmm(12), RDX.at(8))),
          expect("vpbroadcastd zmm31, eax", "62627d487cf8", a -> a.broadcast(zmm(31), RAX)),
          expect("vpbroadcastd zmm1, r11d", "62d27d487ccb", a -> a.broadcast(zmm(1), R11)),
          expect(
              "vfmadd231ps zmm0, zmm12, zmm28",
              "62921d48b8c4",
              a -> a.emit(VFMADD231PS, zmm(0), zmm(12), zmm(28))),
          expect(
              "vfmadd231ps zmm19, zmm1, dword ptr [r9-4]{1to16}",
              "62c27558b859ff",
              a -> a.emit(VFMADD231PS, zmm(19), zmm(1), R9.each(-4))),
          expect(
              "vfnmadd231ps zmm1, zmm22, dword ptr [rax+1024]{1to16}",
              "62f24d50bc8800040000",
              a -> a.emit(VFNMADD231PS, zmm(1), zmm(22), RAX.each(1024))),
          expect(
              "vpternlogd zmm24, zmm25, zmm26, 0xea",
              "6203354025c2ea",
              a -> a.emit(VPTERNLOGD, zmm(24), zmm(25), zmm(26), 0xEA)),
          expect("kmovw k1, eax", "c5f892c8", a -> a.mask(1, RAX)),
          expect("kmovw k2, r11d", "c4c17892d3", a -> a.mask(2, R11)),
          expect("kmovq k3, [rdi+8]", "c4e1f8905f08", a -> a.mask(3, RDI.at(8))),
          expect("kmovq k2, [r9]", "c4c1f89011", a -> a.mask(2, R9.at(0))),
          expect("popcnt rbx, [rdi+8]", "f3480fb85f08", a -> a.countBits(RBX, RDI.at(8))),
          expect(
              "popcnt r11, [r12+1024]",
              "f34d0fb89c2400040000",
              a -> a.countBits(R11, R12.at(1024))),
          expect(
              "vpexpandb zmm3{k3}{z}, zmm3",
              "62f27dcb62db",
              a -> a.zero(3, VPEXPANDB, zmm(3), zmm(3))),
          expect(
              "vpexpandb zmm30{k1}{z}, [rbp+64]",
              "62627dc9627540",
              a -> a.zero(1, VPEXPANDB, zmm(30), RBP.at(64))),
          expect("vzeroupper", "c5f877", a -> a.vzeroupper()),
          expect("mov r10, rsi", "4989f2", a -> a.move(R10, RSI)),
          expect("mov rax, r9", "4c89c8", a -> a.move(RAX, R9)),
          expect("mov r10, [rsp+8]", "4c8b542408", a -> a.load(R10, RSP.at(8))),
          expect("mov rax, [r12+1024]", "498b842400040000", a -> a.load(RAX, R12.at(1024))),
          expect("movzx r11, word ptr [rdi]", "4c0fb71f", a -> a.loadShort(R11, RDI.at(0))),
          expect("movzx rax, word ptr [r8+6]", "490fb74006", a -> a.loadShort(RAX, R8.at(6))),
          expect("imul rax, rax, 48", "4869c030000000", a -> a.multiply(RAX, 48)),
          expect("imul r9, r9, 4", "4d69c904000000", a -> a.multiply(R9, 4)),
          expect("mov [rdi+8], rax", "48894708", a -> a.store(RDI.at(8), RAX)),
          expect("mov eax, 0x0f0f0f0f", "b80f0f0f0f", a -> a.move(RAX, 0x0F0F0F0F)),
          expect("mov r9d, 0xffff", "41b9ffff0000", a -> a.move(R9, 0xFFFF)),
          expect("add rcx, r10", "4c01d1", a -> a.add(RCX, R10)),
          expect("sub r8, rax", "4929c0", a -> a.subtract(R8, RAX)),
          expect("add rdi, 64", "4883c740", a -> a.add(RDI, 64)),
          expect("add rdi, 576", "4881c740020000", a -> a.add(RDI, 576)),
          expect("add rax, 576", "480540020000", a -> a.add(RAX, 576)),
          expect("add r11, -128", "4983c380", a -> a.add(R11, -128)),
          expect("sub r9, 1", "4983e901", a -> a.subtract(R9, 1)),
          expect("cmp r9, 1", "4983f901", a -> a.compare(R9, 1)),
          expect("shl r12, 7", "49c1e407", a -> a.shiftLeft(R12, 7)),
          expect("push rbx", "53", a -> a.push(RBX)),
          expect("pop r15", "415f", a -> a.pop(R15)),
          expect(
              "vdivps zmm17{k2}{z}, zmm28, zmm18",
              "62a11cc25eca",
              a -> a.zero(2, VDIVPS, zmm(17), zmm(28), zmm(18))),
          expect(
              "vcvtps2dq zmm1{k2}{z}, zmm19",
              "62b17dca5bcb",
              a -> a.zero(2, VCVTPS2DQ, zmm(1), zmm(19))),
          expect(
              "vmovups zmm16{k3}, zmm27",
              "62817c4b10c3",
              a -> a.merge(3, VMOVUPS, zmm(16), zmm(27))),
          expect(
              "vpackssdw zmm0, zmm8, zmm17",
              "62b13d486bc1",
              a -> a.emit(VPACKSSDW, zmm(0), zmm(8), zmm(17))),
          expect(
              "vpacksswb zmm30, zmm2, zmm9",
              "62416d4863f1",
              a -> a.emit(VPACKSSWB, zmm(30), zmm(2), zmm(9))),
          expect(
              "vpshufd zmm19, zmm8, 0xb1",
              "62c17d4870d8b1",
              a -> a.emit(VPSHUFD, zmm(19), zmm(8), 0xB1)),
          expect(
              "vpsubd zmm19, zmm25, zmm1",
              "62e13540fad9",
              a -> a.emit(VPSUBD, zmm(19), zmm(25), zmm(1))),
          expect(
              "vpmaxud zmm18, zmm9, zmm31",
              "628235483fd7",
              a -> a.emit(VPMAXUD, zmm(18), zmm(9), zmm(31))),
          expect(
              "vpcmpud k2, zmm18, zmm30, 5",
              "62936d401ed605",
              a -> a.compare(2, zmm(18), zmm(30), Order.AT_LEAST)),
          expect(
              "vpcmpud k3{k2}, zmm8, [rdi+64], 1",
              "62f33d4a1e5f0101",
              a -> a.compare(3, zmm(8), RDI.at(64), Order.LESS, 2)),
          expect(
              "vshufi32x4 zmm19, zmm18, zmm2, 0x4e",
              "62e36d4043da4e",
              a -> a.emit(VSHUFI32X4, zmm(19), zmm(18), zmm(2), 0x4E)),
          expect(
              "vpscatterdd [rsi+zmm24]{k1}, zmm0",
              "62b27d41a00406",
              a -> a.scatter(RSI, zmm(24), zmm(0), 1)),
          expect(
              "vpscatterdd [r9+zmm7]{k2}, zmm19",
              "62c27d4aa01c39",
              a -> a.scatter(R9, zmm(7), zmm(19), 2)),
          expect(
              "vpscatterdd [rbp+zmm16]{k7}, zmm8",
              "62727d47a0440500",
              a -> a.scatter(RBP, zmm(16), zmm(8), 7)),
          expect(
              "vpscatterdd [r13+zmm9]{k7}, zmm30",
              "62027d4fa0740d00",
              a -> a.scatter(R13, zmm(9), zmm(30), 7)),
          expect(
              "vpgatherdd zmm5{k2}, [rsi+zmm17]",
              "62f27d42902c0e",
              a -> a.gather(zmm(5), RSI, zmm(17), 2)),
          expect(
              "vsubps zmm4, zmm19, zmm5",
              "62f164405ce5",
              a -> a.emit(VSUBPS, zmm(4), zmm(19), zmm(5))),
          expect(
              "vmaxps zmm0, zmm1, zmm0",
              "62f174485fc0",
              a -> a.emit(VMAXPS, zmm(0), zmm(1), zmm(0))),
          expect(
              "vpsrad zmm21, zmm22, 1", "62b1554072e601", a -> a.emit(VPSRAD, zmm(21), zmm(22), 1)),
          expect("vcmpps k2, zmm3, zmm27, 0x11", "62916448c2d311", a -> a.less(2, zmm(3), zmm(27))),
          expect(
              "vcmpps k1, zmm17, zmm2, 0x1e", "62f17440c2ca1e", a -> a.greater(1, zmm(17), zmm(2))),
          expect("shr r11, 16", "49c1eb10", a -> a.shiftRight(R11, 16)),
          expect("shr rax, 4", "48c1e804", a -> a.shiftRight(RAX, 4)),
          expect("test r11d, 2", "41f7c302000000", a -> a.test(R11, 2)),
          expect("test edx, 1", "f7c201000000", a -> a.test(RDX, 1)),
          expect("test eax, 1", "a901000000", a -> a.test(RAX, 1)),
          expect("prefetcht0 [rdi+4608]", "0f188f00120000", a -> a.prefetch(RDI.at(4608))),
          expect("prefetcht0 [r9+64]", "410f184940", a -> a.prefetch(R9.at(64))),
          expect("cpuid", "0fa2", a -> a.cpuid()),
          expect("xgetbv", "0f01d0", a -> a.xgetbv()),
          expect("ret", "c3", a -> a.ret()));

  static List<Golden> golden() {
    return GOLDEN;
  }

  @ParameterizedTest
  @MethodSource("golden")
  void writesWhatAnotherAssemblerWrites(Golden golden) {
    assertThat(written(golden.call())).isEqualTo(golden.bytes());
  }

  @Test
  void everyInstructionIsCompared() {
    var compared = GOLDEN.stream().map(Golden::text).collect(Collectors.joining("\n"));
    assertThat(Arrays.stream(Instruction.values()).filter(i -> i != VMOVUPS_STORE))
        .allSatisfy(i -> assertThat(compared).contains(i.name().toLowerCase()));
  }

  @Test
  void jumpsBackAndForth() {
    // again: sub r9, 1; {disp32} jz end; {disp32} jnz again; {disp32} jmp again; end: ret
    assertThat(
            written(
                a -> {
                  var again = new Label();
                  var end = new Label();
                  a.bind(again);
                  a.subtract(R9, 1);
                  a.jump(Condition.ZERO, end);
                  a.jump(Condition.NOT_ZERO, again);
                  a.jump(again);
                  a.bind(end);
                  a.ret();
                }))
        .isEqualTo("4983e9010f840b0000000f85f0ffffffe9ebffffffc3");
  }

  @Test
  void thereAre32VectorRegisters() {
    assertThatThrownBy(() -> zmm(32)).hasMessage("there is no zmm32");
  }

  private static String written(Consumer<Assembler> call) {
    var assembler = new Assembler();
    call.accept(assembler);
    return HexFormat.of().formatHex(assembler.code());
  }
}
