package ai.lathe.runtime.kernel.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PagesTest {

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 100_000, (4 << 20) - 1, 4 << 20, (9 << 20) + 12345})
  void memoryIsOfThatSizeAndZeroAndEndsWithItsArena(long bytes) {
    try (var arena = Arena.ofShared()) {
      var memory = Pages.allocate(bytes, arena);
      assertThat(memory.byteSize()).isEqualTo(bytes);
      assertThat(memory.address() % 64).isZero();
      for (long at = 0; at < bytes; at += 997) {
        assertThat(memory.get(ValueLayout.JAVA_BYTE, at)).isZero();
      }
      if (bytes > 0) {
        memory.set(ValueLayout.JAVA_BYTE, bytes - 1, (byte) 1);
      }
      assertThatThrownBy(() -> memory.get(ValueLayout.JAVA_BYTE, bytes))
          .isInstanceOf(IndexOutOfBoundsException.class);
    }
    var arena = Arena.ofShared();
    var memory = Pages.allocate(bytes, arena);
    arena.close();
    assertThat(memory.scope().isAlive()).isFalse();
  }
}
