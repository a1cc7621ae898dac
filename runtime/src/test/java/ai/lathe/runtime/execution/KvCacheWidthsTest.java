package ai.lathe.runtime.execution;

import static ai.lathe.runtime.execution.KvCacheTest.PAGE;
import static ai.lathe.runtime.execution.KvCacheTest.check;
import static ai.lathe.runtime.execution.KvCacheTest.config;
import static ai.lathe.runtime.execution.KvCacheTest.list;
import static ai.lathe.runtime.execution.KvCacheTest.read;
import static ai.lathe.runtime.execution.KvCacheTest.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.model.BlockWidths;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Pages of blocks whose heads differ in size. */
class KvCacheWidthsTest {

  /**
   * {@link KvCacheTest#config} with heads of 4, 2 and 4 features of keys and 4, 3 and 1 of values.
   */
  static ModelConfig narrow(int window) {
    return config(window)
        .narrowed(
            Architectures.forModelType("llama"),
            List.of(
                new BlockWidths(32, 4, 4), new BlockWidths(32, 2, 3), new BlockWidths(32, 4, 1)));
  }

  /** Each block's pages are as large as its own heads need. */
  @Test
  void blocksOfOtherWidthsTakeWhatTheyHave() {
    long each = PAGE + PAGE * 5 / 8 + PAGE * 5 / 8;
    assertThat(KvCache.bytes(narrow(0), DType.F16, 130, 64)).isEqualTo(3 * each);
    // Another half of pages than there is room for.
    var settings = new KvCache.Settings(DType.F16, 4 * each + each / 2, true);
    try (var cache = KvCache.of(narrow(0), settings)) {
      var first = cache.open(text(0, 130), 0);
      read(first, text(0, 130));
      assertThat(cache.usedBytes()).isEqualTo(3 * each);
      var second = first.fork();
      read(second, 9);
      assertThat(cache.usedBytes()).isEqualTo(4 * each);
      assertThatThrownBy(() -> second.reserve(64))
          .isInstanceOf(LatheException.class)
          .hasMessage(
              "the key-value cache is full: 64 more positions take 4,608 bytes, and 2,304 of its"
                  + " 20,736 bytes are free; raise its budget, or close sequences");
      first.close();
      second.close();
      assertThat(cache.usedBytes()).isEqualTo(2 * each).isEqualTo(cache.prefixBytes());
      // All pages have been one sequence's, and are another's now.
      var third = cache.open(0);
      read(third, text(5, 5 + 256));
      check(third, list(text(5, 5 + 256)));
      assertThat(cache.prefixBytes()).isZero();
      assertThat(cache.bytesReadPerToken(0, 2)).isEqualTo(1.5 * each / 64);
    }
  }

  /** Blocks that let go at different times can use each other's pages. */
  @Test
  void blocksWithWindowsShareTheWidestPages() {
    assertThat(KvCache.bytes(narrow(1), DType.F16, 1000, 1))
        .isEqualTo(KvCache.bytes(config(1), DType.F16, 1000, 1));
    try (var cache = KvCache.of(narrow(1), new KvCache.Settings(DType.F16, 34 * PAGE, false))) {
      var first = cache.open(0);
      for (int i = 0; i < 16 * 64; i++) {
        read(first, i % 100);
      }
      first.close();
      var others = new ArrayList<Sequence>();
      for (int i = 0; i < 11; i++) {
        others.add(cache.open(0));
        read(others.getLast(), text(i, i + 50));
      }
      for (int i = 0; i < 11; i++) {
        check(others.get(i), list(text(i, i + 50)));
      }
    }
  }
}
