package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Arithmetic;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.ModelConfig.Window;
import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** Pages and who holds them, without a model: each page is marked by what its sequence wrote. */
class KvCacheTest {

  private static final int HEADS = 2;
  private static final int SIZE = 4;
  static final long PAGE = 64L * HEADS * SIZE * 2 * 2;

  /** Three blocks, the middle one with a window where one is given. */
  private static ModelConfig config(int window, Rope rope) {
    return new ModelConfig(
        16,
        3,
        4,
        HEADS,
        SIZE,
        32,
        Optional.empty(),
        100,
        100_000,
        1e-5,
        rope,
        true,
        0,
        window == 0
            ? Optional.empty()
            : Optional.of(new Window(window, List.of(false, true, false), rope)),
        Arithmetic.plain(Activation.SILU, SIZE),
        DType.F32,
        OptionalInt.empty(),
        OptionalInt.empty(),
        null,
        List.of());
  }

  static ModelConfig config(int window) {
    return config(window, new Rope(10_000, SIZE, new Rope.Scaling.None()));
  }

  private static KvCache cache(int window, long pages, boolean prefixes) {
    return KvCache.of(config(window), new KvCache.Settings(DType.F16, pages * PAGE, prefixes));
  }

  static int[] text(int from, int to) {
    var tokens = new int[to - from];
    Arrays.setAll(tokens, i -> (from + i) * 7 % 100);
    return tokens;
  }

  /** Runs tokens, and writes into their pages what a reader can tell them by. */
  static void read(Sequence sequence, int... tokens) {
    sequence.reserve(tokens.length);
    for (int t = 0; t < tokens.length; t++) {
      for (int block = 0; block < 3; block++) {
        write(sequence, block, sequence.length() + t, tokens[t]);
      }
    }
    sequence.advance(tokens, 0, tokens.length);
  }

  private static MemorySegment page(Sequence sequence, int block, int position) {
    return sequence.cache().pages()[sequence.table(block)[position / 64]];
  }

  private static void write(Sequence sequence, int block, int position, int token) {
    page(sequence, block, position)
        .setAtIndex(ValueLayout.JAVA_SHORT, position % 64, (short) (token + 1000 * block));
  }

  /** Everything that blocks still see is what was written. */
  static void check(Sequence sequence, List<Integer> tokens) {
    assertThat(sequence.length()).isEqualTo(tokens.size());
    for (int block = 0; block < 3; block++) {
      int window = sequence.cache().window(block);
      for (int j = Math.max(0, tokens.size() - window + 1); j < tokens.size(); j++) {
        short held = page(sequence, block, j).getAtIndex(ValueLayout.JAVA_SHORT, j % 64);
        assertThat(held)
            .as("block %d position %d", block, j)
            .isEqualTo((short) (tokens.get(j) + 1000 * block));
      }
    }
  }

  static List<Integer> list(int[] tokens) {
    return Arrays.stream(tokens).boxed().toList();
  }

  @Test
  void bytesAreWhatIsTaken() {
    for (int window : new int[] {0, 1, 50, 64, 200, 5000}) {
      for (int pass : new int[] {1, 7, 64, 300}) {
        for (int positions : new int[] {1, 64, 65, 700}) {
          long expected = KvCache.bytes(config(window), DType.F16, positions, pass);
          try (var cache = cache(window, expected / PAGE, false)) {
            var sequence = cache.open(positions);
            long most = 0;
            while (sequence.length() < positions) {
              read(sequence, new int[Math.min(pass, positions - sequence.length())]);
              most = Math.max(most, cache.usedBytes());
            }
            assertThat(most).isEqualTo(expected);
            sequence.close();
            assertThat(cache.usedBytes()).isZero();
          }
        }
      }
    }
    assertThat(KvCache.bytes(config(0), DType.F32, 65, 512)).isEqualTo(2 * 3 * 2 * PAGE);
  }

  @Test
  void aWindowHoldsNoMoreThanItNeeds() {
    long without = KvCache.bytes(config(0), DType.F16, 10_000, 1);
    long with = KvCache.bytes(config(128), DType.F16, 10_000, 1);
    // 128 positions, 64 to go back by, and what their pages hold besides.
    assertThat(with).isEqualTo(without / 3 * 2 + 4 * PAGE);
  }

  @Test
  void aFullCacheSaysWhatIsMissing() {
    try (var cache = cache(0, 6, false)) {
      var first = cache.open(0);
      read(first, text(0, 128));
      var second = cache.open(0);
      assertThatThrownBy(() -> second.reserve(70))
          .isInstanceOf(LatheException.class)
          .hasMessage(
              "the key-value cache is full: 70 more positions take 12,288 bytes, and 0 of its 12,288"
                  + " bytes are free; raise its budget, or close sequences");
      assertThat(second.length()).isZero();
      first.close();
      read(second, text(0, 70));
      check(second, list(text(0, 70)));
    }
  }

  @Test
  void aForkIsCopiedWhereOneOfTheTwoWrites() {
    try (var cache = cache(0, 100, false)) {
      var first = cache.open(0);
      read(first, text(0, 100));
      var second = first.fork();
      assertThat(cache.usedBytes()).isEqualTo(6 * PAGE);
      read(second, 1, 2, 3);
      assertThat(cache.usedBytes()).isEqualTo(9 * PAGE);
      read(first, 4);
      assertThat(cache.usedBytes()).isEqualTo(9 * PAGE);
      var expected = new ArrayList<>(list(text(0, 100)));
      expected.add(4);
      check(first, expected);
      first.close();
      expected.removeLast();
      expected.addAll(List.of(1, 2, 3));
      check(second, expected);
      second.truncate(64);
      assertThat(cache.usedBytes()).isEqualTo(3 * PAGE);
      second.close();
      second.close();
      assertThat(cache.usedBytes()).isZero();
    }
  }

  @Test
  void aTextBeginsWithWhatEarlierOnesLeft() {
    try (var cache = cache(0, 100, true)) {
      var first = cache.open(text(0, 300), 0);
      assertThat(first.length()).isZero();
      read(first, text(0, 300));
      first.close();
      assertThat(cache.usedBytes()).isEqualTo(4 * 3 * PAGE).isEqualTo(cache.prefixBytes());
      // The same text, of which the last token is left to run.
      var same = cache.open(text(0, 256), 0);
      assertThat(same.length()).isEqualTo(192);
      check(same, list(text(0, 192)));
      var other = text(0, 200);
      other[150] = 99;
      var second = cache.open(other, 0);
      assertThat(second.length()).isEqualTo(128);
      read(second, Arrays.copyOfRange(other, 128, 200));
      check(second, list(other));
      check(same, list(text(0, 192)));
      assertThat(cache.open(text(1, 200), 0).length()).isZero();
    }
  }

  /** While a sequence is read, what it has read serves others. */
  @Test
  void prefixesOfOpenSequencesAreShared() {
    try (var cache = cache(0, 100, true)) {
      var first = cache.open(text(0, 200), 0);
      read(first, text(0, 200));
      read(first, 5);
      var second = cache.open(text(0, 400), 0);
      assertThat(second.length()).isEqualTo(192);
      assertThat(second.table(0)[2]).isEqualTo(first.table(0)[2]);
    }
  }

  @Test
  void prefixesGiveWayToSequences() {
    try (var cache = cache(0, 12, true)) {
      for (int i = 0; i < 3; i++) {
        var sequence = cache.open(text(i, i + 64), 0);
        read(sequence, text(i, i + 64));
        sequence.close();
      }
      assertThat(cache.open(text(0, 65), 0).length()).isEqualTo(64);
      var large = cache.open(0);
      // Nine pages of twelve: of the three prefixes that one is left that was asked for last.
      read(large, text(50, 50 + 3 * 64));
      assertThat(cache.prefixBytes()).isEqualTo(3 * PAGE);
      var first = cache.open(text(0, 65), 0);
      assertThat(first.length()).isEqualTo(64);
      check(first, list(text(0, 64)));
      assertThat(cache.open(text(1, 66), 0).length()).isZero();
    }
  }

  /** A prefix is of use where windows still find what they need. */
  @Test
  void prefixesWorkWithWindows() {
    try (var cache = cache(70, 1000, true)) {
      var first = cache.open(0);
      for (int i = 0; i < 1000; i += 100) {
        read(first, text(i, i + 100));
      }
      first.close();
      var second = cache.open(text(0, 500), 0);
      assertThat(second.length()).isEqualTo(448);
      check(second, list(text(0, 448)));
      read(second, text(448, 500));
      check(second, list(text(0, 500)));
    }
  }

  @Test
  void aSequenceGoesBackAsFarAsItsWindowsReach() {
    try (var cache = cache(100, 1000, false)) {
      var sequence = cache.open(0);
      read(sequence, text(0, 1000));
      // Nothing is let go before another page is needed.
      assertThat(sequence.earliest()).isZero();
      read(sequence, text(1000, 1025));
      assertThat(sequence.earliest()).isEqualTo(832 + 99);
      assertThatThrownBy(() -> sequence.truncate(930))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("cannot be taken back to 930, only to 931");
      sequence.truncate(931);
      check(sequence, list(text(0, 931)));
      read(sequence, 17);
      sequence.truncate(0);
      assertThat(cache.usedBytes()).isZero();
      read(sequence, text(3, 30));
      check(sequence, list(text(3, 30)));
    }
  }

  /** LongRoPE: which kind of turns a sequence has is settled when it is opened. */
  @Test
  void aSequenceKeepsItsKindOfTurns() {
    var rope =
        new Rope(
            10_000,
            SIZE,
            new Rope.Scaling.LongRope(List.of(1.0, 1.0), List.of(2.0, 4.0), 128, 1.1));
    try (var cache = KvCache.of(config(0, rope), KvCache.Settings.DEFAULT.withPrefixes())) {
      var small = cache.open(0);
      read(small, text(0, 128));
      assertThatThrownBy(() -> small.reserve(1))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("open it for as many as it may have");
      small.close();
      assertThat(cache.open(text(0, 100), 0).length()).isEqualTo(64);
      // The same tokens in a longer sequence have other keys.
      var large = cache.open(text(0, 100), 1000);
      assertThat(large.length()).isZero();
      read(large, text(0, 200));
      check(large, list(text(0, 200)));
    }
  }

  @Test
  void typesThatAreNoCacheAreRefused() {
    assertThatThrownBy(() -> KvCache.of(config(0), KvCache.Settings.DEFAULT.of(DType.I8)))
        .isInstanceOf(LatheException.class)
        .hasMessage("keys and values are kept in F16, BF16 or F32, not in I8");
  }

  /** Any order of opening, reading, forking, going back and closing. */
  @Property(tries = 60)
  void sequencesNeverSeeEachOthersWrites(
      @ForAll long seed, @ForAll @IntRange(min = 0, max = 2) int kind, @ForAll boolean prefixes) {
    var random = new Random(seed);
    int window = new int[] {0, 30, 150}[kind];
    var config = seed % 2 == 0 ? config(window) : KvCacheWidthsTest.narrow(window);
    try (var cache = KvCache.of(config, new KvCache.Settings(DType.F16, 60 * PAGE, prefixes))) {
      var open = new ArrayList<Sequence>();
      var written = new ArrayList<List<Integer>>();
      for (int step = 0; step < 60; step++) {
        int at = open.isEmpty() ? -1 : random.nextInt(open.size());
        switch (at < 0 ? 0 : random.nextInt(6)) {
          case 0 -> {
            var text = text(random.nextInt(2), 1 + random.nextInt(300));
            var sequence = cache.open(text, 0);
            open.add(sequence);
            written.add(new ArrayList<>(list(text).subList(0, sequence.length())));
          }
          case 1 -> {
            open.add(open.get(at).fork());
            written.add(new ArrayList<>(written.get(at)));
          }
          case 2 -> {
            open.remove(at).close();
            written.remove(at);
          }
          case 3 -> {
            var sequence = open.get(at);
            int to =
                sequence.earliest() + random.nextInt(1 + sequence.length() - sequence.earliest());
            sequence.truncate(to);
            written.get(at).subList(to, written.get(at).size()).clear();
          }
          default -> {
            int from = random.nextInt(2);
            var more = text(from, from + 1 + random.nextInt(random.nextBoolean() ? 3 : 150));
            try {
              read(open.get(at), more);
              written.get(at).addAll(list(more));
            } catch (LatheException full) {
              assertThat(full).hasMessageContaining("cache is full");
            }
          }
        }
        for (int i = 0; i < open.size(); i++) {
          check(open.get(i), written.get(i));
        }
      }
      open.forEach(Sequence::close);
      assertThat(cache.usedBytes()).isEqualTo(cache.prefixBytes());
    }
  }

  /** Two blocks that see everything and one that sees 10 positions, 32 bytes each. */
  @Test
  void bytesThatATokenReads() {
    try (var cache = cache(10, 100, false)) {
      long position = PAGE / 64;
      assertThat(cache.bytesReadPerToken(0, 1)).isEqualTo(3 * position);
      assertThat(cache.bytesReadPerToken(99, 100)).isEqualTo((2 * 100 + 10) * position);
      assertThat(cache.bytesReadPerToken(99, 101)).isEqualTo((100 + 101 + 10) * position);
    }
  }
}
