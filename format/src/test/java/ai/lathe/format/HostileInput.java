package ai.lathe.format;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.tensor.LatheException;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;

/** Damaged files for the parsers' fuzz tests, and what a parser may do with them. */
public final class HostileInput {

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private static final long[] NUMBERS = {
    0,
    1,
    2,
    7,
    8,
    31,
    64,
    127,
    128,
    255,
    256,
    65535,
    1L << 20,
    1L << 31,
    (1L << 31) - 1,
    1L << 32,
    1L << 40,
    1L << 61,
    1L << 62,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    -1,
    -8
  };

  private HostileInput() {}

  /** Valid files with one to six random damages each, and now and then bytes without any sense. */
  public static Arbitrary<byte[]> from(List<byte[]> valid, List<String> vocabulary) {
    return Arbitraries.randomValue(
        random -> {
          if (random.nextInt(20) == 0) {
            var noise = new byte[random.nextInt(300)];
            random.nextBytes(noise);
            return noise;
          }
          var bytes = valid.get(random.nextInt(valid.size())).clone();
          for (int i = random.nextInt(6); i >= 0; i--) {
            bytes = damage(bytes, random, vocabulary);
          }
          return bytes;
        });
  }

  private static byte[] damage(byte[] bytes, Random random, List<String> vocabulary) {
    int n = bytes.length;
    int at = n == 0 ? 0 : random.nextInt(n);
    int length = n == 0 ? 0 : random.nextInt(Math.min(n - at, 16) + 1);
    return switch (random.nextInt(8)) {
      case 0 -> splice(bytes, at, Math.min(1, n - at), new byte[] {(byte) random.nextInt(256)});
      case 1 -> splice(bytes, at, length, new byte[0]);
      case 2 -> splice(bytes, at, 0, Arrays.copyOfRange(bytes, at, at + length));
      case 3 -> Arrays.copyOf(bytes, at);
      case 4 -> number(bytes, at, random);
      case 5 -> decimal(bytes, at, random);
      case 6 -> {
        var word = vocabulary.get(random.nextInt(vocabulary.size()));
        yield splice(bytes, at, length, word.getBytes(StandardCharsets.UTF_8));
      }
      default ->
          splice(
              bytes,
              at,
              Math.min(1, n - at),
              new byte[] {(byte) (bytesAt(bytes, at) ^ 1 << random.nextInt(8))});
    };
  }

  private static int bytesAt(byte[] bytes, int at) {
    return at < bytes.length ? bytes[at] : 0;
  }

  /** Overwrites 4 or 8 bytes by a number at the edge of something. */
  private static byte[] number(byte[] bytes, int at, Random random) {
    long value = NUMBERS[random.nextInt(NUMBERS.length)];
    int width = Math.min(random.nextBoolean() ? 8 : 4, bytes.length - at);
    var number = new byte[Math.max(width, 0)];
    for (int i = 0; i < number.length; i++) {
      number[i] = (byte) (value >>> 8 * i);
    }
    return splice(bytes, at, number.length, number);
  }

  /** Replaces the next run of digits by another number. */
  private static byte[] decimal(byte[] bytes, int at, Random random) {
    int from = at;
    while (from < bytes.length && !Character.isDigit(bytes[from])) {
      from++;
    }
    int to = from;
    while (to < bytes.length && Character.isDigit(bytes[to])) {
      to++;
    }
    var text =
        random.nextInt(8) == 0
            ? "99999999999999999999999"
            : Long.toString(NUMBERS[random.nextInt(NUMBERS.length)]);
    return splice(bytes, from, to - from, text.getBytes(StandardCharsets.UTF_8));
  }

  private static byte[] splice(byte[] bytes, int at, int removed, byte[] inserted) {
    var result = Arrays.copyOf(bytes, bytes.length - removed + inserted.length);
    System.arraycopy(inserted, 0, result, at, inserted.length);
    System.arraycopy(
        bytes, at + removed, result, at + inserted.length, bytes.length - at - removed);
    return result;
  }

  /**
   * Reads a damaged file: it may be refused with one line of our own, and nothing else; and it may
   * not make the reader allocate more than a fixed amount and a multiple of what it really holds.
   */
  public static void assertTame(byte[] input, Consumer<byte[]> reader) {
    long thread = Thread.currentThread().threadId();
    long before = THREADS.getThreadAllocatedBytes(thread);
    try {
      reader.accept(input);
    } catch (LatheException e) {
      assertThat(e.getMessage()).isNotBlank().doesNotContain("\n");
    }
    long allocated = THREADS.getThreadAllocatedBytes(thread) - before;
    assertThat(allocated).as("bytes allocated").isLessThan((4L << 20) + 200L * input.length);
  }
}
