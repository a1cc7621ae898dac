package ai.lathe.format.gguf;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.format.gguf.GgufValue.IntegerType;
import ai.lathe.format.gguf.GgufWriter.Planned;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/** Damaged and random files: opened and read, or refused by one of Lathe's own exceptions. */
class GgufFuzzTest {

  private static Path directory;
  private static byte[] valid;
  private static int filed;

  @BeforeContainer
  static void write() throws IOException {
    directory = Files.createTempDirectory("gguf-fuzz");
    var path = directory.resolve("valid.gguf");
    var contents = GgufRoundTripTest.contents();
    contents.keySet().retainAll(List.of("blocks.Q4_K", "plain.F16", "norm"));
    List<Planned> plan = GgufRoundTripTest.plan(contents);
    var metadata =
        GgufMetadata.builder()
            .string("general.architecture", "llama")
            .u32("general.alignment", 32)
            .strings("tokens", List.of("a", "bc", ""))
            .integers("types", IntegerType.I32, 1, 2, 3)
            .f32s("scores", 1, 2)
            .put("nested", new GgufValue.Arrays(List.of(new GgufValue.Texts(List.of("x")))))
            .bool("yes", true)
            .build();
    try (var writer = GgufWriter.create(path, metadata, plan)) {
      contents.forEach(
          (name, content) -> {
            switch (content) {
              case Tensor tensor -> writer.write(name, tensor);
              case LinearWeight weight -> writer.write(name, weight);
              default -> throw new AssertionError();
            }
          });
      writer.finish();
    }
    valid = Files.readAllBytes(path);
    assertThat(readsWhole(valid)).isTrue();
  }

  @AfterContainer
  static void delete() throws IOException {
    try (var files = Files.list(directory)) {
      for (var file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(directory);
  }

  /** Bytes, 32-bit and 64-bit words of the header replaced, often by extreme values; cut short. */
  @Property(tries = 16_000, shrinking = ShrinkingMode.OFF)
  void damagedFiles(@ForAll long seed, @ForAll @IntRange(min = 1, max = 6) int changes) {
    var random = new Random(seed);
    var bytes = valid.clone();
    // The header is some 700 bytes; what comes after it is data, where anything goes.
    for (int change = 0; change < changes; change++) {
      int at = random.nextInt(random.nextInt(8) == 0 ? bytes.length - 8 : 700);
      var buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
      switch (random.nextInt(5)) {
        case 0 -> bytes[at] = (byte) random.nextInt();
        case 1 -> buffer.putInt(at, random.nextInt(16));
        case 2 -> buffer.putLong(at, extreme(random));
        case 3 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        default -> System.arraycopy(bytes, random.nextInt(692), bytes, at, 8);
      }
    }
    if (random.nextInt(4) == 0) {
      bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
    }
    readsWhole(bytes);
  }

  @Property(tries = 6_000, shrinking = ShrinkingMode.OFF)
  void randomFiles(@ForAll long seed, @ForAll @IntRange(min = 0, max = 400) int length) {
    var random = new Random(seed);
    var bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      // Mostly small numbers, or no length would ever be within the file.
      bytes[i] = (byte) (random.nextInt(3) == 0 ? random.nextInt(14) : 0);
    }
    System.arraycopy(valid, 0, bytes, 0, Math.min(length, random.nextBoolean() ? 8 : 4));
    if (length >= 24 && random.nextBoolean()) {
      ByteBuffer.wrap(bytes)
          .order(ByteOrder.LITTLE_ENDIAN)
          .putLong(8, random.nextInt(3))
          .putLong(16, random.nextInt(4));
    }
    readsWhole(bytes);
  }

  private static long extreme(Random random) {
    long[] values = {
      -1, 0, 1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 31, 1L << 32, (1L << 31) - 1, 1L << 62, 31, 33
    };
    return values[random.nextInt(values.length)];
  }

  /** Whether the file is accepted; any exception that is not Lathe's own fails the test. */
  private static boolean readsWhole(byte[] bytes) {
    boolean accepted = false;
    try {
      GgufHeader.read(Path.of("fuzz.gguf"), MemorySegment.ofArray(bytes), 0);
      accepted = true;
    } catch (LatheException e) {
      assertThat(e.getMessage()).doesNotContain("\n").hasSizeLessThan(1000);
    }
    // A mapping for each case would take most of the time: every tenth goes through a file, and
    // those that parse, so that their tensors are read.
    if (!accepted && filed++ % 10 != 0) {
      return false;
    }
    boolean opened = readsFile(bytes);
    assertThat(accepted || !opened).isTrue();
    return opened;
  }

  private static boolean readsFile(byte[] bytes) {
    var path = directory.resolve("fuzz.gguf");
    try {
      Files.write(path, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    try (var file = GgufFile.open(path)) {
      for (var name : file.tensors().keySet()) {
        try {
          if (file.info(name).shape().length == 2) {
            var weight = file.matrix(name);
            if (weight.rows() > 0 && weight.columns() > 0 && weight.columns() < 1 << 20) {
              weight.decodeRows(0, 1, new float[weight.columns()], 0);
            }
          } else {
            file.tensor(name);
          }
        } catch (LatheException e) {
          assertThat(e.getMessage()).doesNotContain("\n");
        }
      }
      return true;
    } catch (LatheException e) {
      assertThat(e.getMessage()).doesNotContain("\n").hasSizeLessThan(1000);
      return false;
    }
  }
}
