package ai.lathe.runtime.kernel.emitted;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.lathe.runtime.kernel.layout.PlainRounding;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.sparse.SparseChoice;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PlatformTest {

  private static final Set<String> ALL = Set.of("sse2", "avx512f", "avx512_vnni");

  private static void refused(Platform platform, String reason, boolean avoidable) {
    assertThatThrownBy(
            () ->
                EmittedProvider.open(
                    new ScalarProvider(), PlainRounding::new, SparseChoice.ALWAYS, platform))
        .asInstanceOf(type(Unavailable.class))
        .satisfies(
            e -> {
              assertThat(e).hasMessage(reason);
              assertThat(e.avoidable()).isEqualTo(avoidable);
            });
  }

  @Test
  void saysWhyItCannotRun() {
    refused(
        new Platform("Windows 11", "amd64", true, Set.of()),
        "machine code is written for x86-64 on Linux and macOS, not for amd64 on Windows 11",
        false);
    refused(
        new Platform("Linux", "aarch64", true, Set.of()),
        "machine code is written for x86-64 on Linux and macOS, not for aarch64 on Linux",
        false);
    refused(
        new Platform("Linux", "amd64", true, Set.of("sse2", "avx512f")),
        "the processor lacks avx512_vnni",
        false);
    refused(
        new Platform("Linux", "amd64", false, ALL),
        "start java with --enable-native-access=ALL-UNNAMED",
        true);
  }

  @Test
  void runsWhereNothingSpeaksAgainstIt() {
    assertThatCode(() -> new Platform("Linux", "amd64", true, ALL).check())
        .doesNotThrowAnyException();
    assertThatCode(() -> new Platform("Mac OS X", "x86_64", true, Set.of()).check())
        .doesNotThrowAnyException();
  }

  @Test
  void aProcessorNamesWhatItLacks() {
    assertThat(new Cpu(true, true, false, false, true).missing()).isEmpty();
    assertThat(new Cpu(true, false, true, true, true).missing()).containsExactly("AVX-512 VNNI");
    assertThat(new Cpu(true, true, true, true, false).missing())
        .containsExactly("an operating system that saves 512-bit registers");
    assertThat(new Cpu(false, false, false, false, false).missing())
        .containsExactly("AVX-512", "AVX-512 VNNI");
  }

  /** Two ways to ask the same: CPUID, and the list of the operating system. */
  @Test
  void theProcessorSaysWhatTheSystemLists() throws Exception {
    var platform = Platform.current();
    assumeTrue(
        platform.architecture().equals("amd64") && !platform.listed().isEmpty(),
        "only Linux on x86-64 lists features");
    var cpu = Cpu.read();
    assertThat(cpu.avx512()).isEqualTo(platform.listed().contains("avx512f"));
    assertThat(cpu.vnni()).isEqualTo(platform.listed().contains("avx512_vnni"));
    assertThat(cpu.bf16()).isEqualTo(platform.listed().contains("avx512_bf16"));
    // Linux lists AVX-512 only where it saves its registers.
    assertThat(cpu.saved()).isEqualTo(cpu.avx512());
  }
}
