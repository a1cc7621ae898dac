package ai.lathe.format.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufWriter.Planned;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that are wrong in one way each, and the line that says which. */
class GgufHostileTest {

  @TempDir Path directory;

  /** Bytes of a header, little-endian. */
  private static final class Bytes {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    static Bytes header(int version, long tensors, long entries) {
      return new Bytes().text("GGUF").u32(version).u64(tensors).u64(entries);
    }

    Bytes u32(long value) {
      out.write(little(8).putLong(0, value).array(), 0, 4);
      return this;
    }

    Bytes u64(long value) {
      out.writeBytes(little(8).putLong(0, value).array());
      return this;
    }

    Bytes text(String text) {
      out.writeBytes(text.getBytes(StandardCharsets.UTF_8));
      return this;
    }

    Bytes string(String text) {
      return u64(text.getBytes(StandardCharsets.UTF_8).length).text(text);
    }

    Bytes tensor(String name, int type, long offset, long... ne) {
      string(name).u32(ne.length);
      for (long n : ne) {
        u64(n);
      }
      return u32(type).u64(offset);
    }

    Bytes data(int count) {
      while (out.size() % 32 != 0) {
        out.write(0);
      }
      out.writeBytes(new byte[count]);
      return this;
    }

    private static ByteBuffer little(int size) {
      return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }
  }

  private void assertRefused(Bytes bytes, String... saying) throws IOException {
    var path = directory.resolve("bad.gguf");
    Files.write(path, bytes.out.toByteArray());
    assertThatThrownBy(() -> GgufFile.open(path).close())
        .isInstanceOf(FormatException.class)
        .hasMessageContainingAll(saying)
        .hasMessageContaining("bad.gguf")
        .message()
        .doesNotContain("\n")
        .hasSizeLessThan(500);
  }

  @Test
  void otherFilesAndVersions() throws IOException {
    assertRefused(new Bytes(), "is not a GGUF file");
    assertRefused(new Bytes().text("GGU"), "is not a GGUF file");
    assertRefused(new Bytes().text("PK..........."), "is not a GGUF file");
    assertRefused(new Bytes().text("GGUF"), "truncated");
    assertRefused(Bytes.header(1, 0, 0), "GGUF version 1; versions 2 and 3 can be read");
    assertRefused(Bytes.header(-1, 0, 0), "GGUF version 4294967295");
    assertRefused(Bytes.header(0x03000000, 0, 0), "big-endian");
  }

  @Test
  void countsAndLengthsBeyondTheFile() throws IOException {
    assertRefused(Bytes.header(3, -1, 0), "claims 18446744073709551615 tensors");
    assertRefused(Bytes.header(3, 1L << 40, 0), "claims 1099511627776 tensors");
    assertRefused(Bytes.header(3, 0, 1L << 40), "claims 1099511627776 metadata entries");
    assertRefused(
        Bytes.header(3, 0, 1).u64(1L << 63).data(100), "claims 9223372036854775808 elements");
    assertRefused(Bytes.header(3, 0, 1).u64(Integer.MAX_VALUE).data(100), "claims 2147483647");
    assertRefused(
        Bytes.header(3, 0, 1).string("k").u32(GgufValue.STRING).u64(1L << 62).data(9),
        "'k' claims");
    for (int type = 0; type <= 12; type++) {
      assertRefused(
          Bytes.header(3, 0, 1).string("k").u32(GgufValue.ARRAY).u32(type).u64(1L << 61).data(9),
          "'k' claims 2305843009213693952 elements");
    }
  }

  @Test
  void valuesOfNoType() throws IOException {
    assertRefused(Bytes.header(3, 0, 1).string("k").u32(13).data(64), "unknown type 13");
    assertRefused(
        Bytes.header(3, 0, 1).string("k").u32(GgufValue.ARRAY).u32(-1).u64(1).data(64),
        "unknown type 4294967295");
    assertRefused(
        Bytes.header(3, 0, 1).string("k").u32(GgufValue.BOOL).u32(7).data(64), "neither 0 nor 1");
    var nested = Bytes.header(3, 0, 1).string("k").u32(GgufValue.ARRAY);
    for (int depth = 0; depth < 100; depth++) {
      nested.u32(GgufValue.ARRAY).u64(1);
    }
    assertRefused(nested.data(64), "nests arrays deeper");
  }

  @Test
  void namesThatComeTwice() throws IOException {
    assertRefused(
        Bytes.header(3, 0, 2).string("k").u32(4).u32(1).string("k").u32(4).u32(2).data(0),
        "metadata key 'k' twice");
    assertRefused(
        Bytes.header(3, 2, 0).tensor("t", 0, 0, 8).tensor("t", 0, 32, 8).data(64),
        "two tensors named 't'");
  }

  @Test
  void aHostileNameDoesNotSpoilTheLine() throws IOException {
    assertRefused(
        Bytes.header(3, 1, 0).tensor("a\nb\u001b[2J" + "x".repeat(100_000), 0, 1, 8).data(64),
        "a?b?[2Jxxx");
  }

  @Test
  void alignments() throws IOException {
    for (long alignment : new long[] {0, 3, 33, 0x80000001L}) {
      assertRefused(
          Bytes.header(3, 0, 1).string("general.alignment").u32(4).u32(alignment).data(0),
          "power of two, not " + alignment);
    }
    assertRefused(
        Bytes.header(3, 0, 1).string("general.alignment").u32(8).string("32").data(0),
        "should be an integer, not a string");
    assertRefused(
        Bytes.header(3, 0, 1).string("general.alignment").u32(10).u64(-1).data(0), "too large");
  }

  @Test
  void shapesAndPlaces() throws IOException {
    assertRefused(Bytes.header(3, 1, 0).tensor("t", 0, 0, 1, 1, 1, 1, 1).data(64), "5 dimensions");
    assertRefused(Bytes.header(3, 1, 0).tensor("t", 0, 0, -1).data(64), "impossible shape [-1]");
    assertRefused(
        Bytes.header(3, 1, 0).tensor("t", 0, 0, 1L << 32, 1L << 32).data(64), "impossible shape");
    assertRefused(
        Bytes.header(3, 1, 0).tensor("t", 0, 0, Long.MAX_VALUE).data(64), "impossible shape");
    assertRefused(Bytes.header(3, 1, 0).tensor("t", 12, 0, 128).data(144), "rows of 128", "Q4_K");
    assertRefused(Bytes.header(3, 1, 0).tensor("t", 0, 8, 4).data(64), "not a multiple");
    assertRefused(Bytes.header(3, 1, 0).tensor("t", 0, -32, 4).data(64), "begins at byte");
    assertRefused(Bytes.header(3, 1, 0).tensor("t", 0, 0, 17).data(64), "truncated", "needs 68");
    assertRefused(Bytes.header(3, 1, 0).tensor("t", 0, 64, 1).data(64), "truncated");
    assertRefused(
        Bytes.header(3, 1, 0).tensor("t", 0, Long.MAX_VALUE - 31, 1).data(64), "truncated");
    assertRefused(
        Bytes.header(3, 2, 0).tensor("a", 0, 0, 9).tensor("b", 0, 32, 1).data(64),
        "'a' and 'b' overlap");
  }

  @Test
  void typesThatCannotBeReadAreListedAndRefusedWhenRead() throws IOException {
    var path = directory.resolve("types.gguf");
    Files.write(
        path,
        Bytes.header(3, 3, 0)
            .tensor("xs", 23, 0, 256, 2)
            .tensor("future", 999, 0, 256)
            .tensor("plain", 0, 288, 2, 3)
            .data(320)
            .out
            .toByteArray());
    try (var file = GgufFile.open(path)) {
      assertThat(file.tensors().keySet()).containsExactly("xs", "future", "plain");
      assertThat(file.info("xs").type()).hasToString("IQ4_XS");
      assertThat(file.info("xs").shape()).containsExactly(2, 256);
      assertThat(file.info("xs").bytes()).isEqualTo(272);
      assertThatThrownBy(() -> file.matrix("xs"))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("tensor 'xs' is stored as IQ4_XS, which cannot be read yet");
      assertThatThrownBy(() -> file.tensor("future"))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("stored as type 999");
      assertThat(file.tensor("plain").shape()).containsExactly(3, 2);
      assertThatThrownBy(() -> file.tensor("absent"))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("no tensor 'absent'");
    }
  }

  @Test
  void versionTwoIsRead() throws IOException {
    var path = directory.resolve("two.gguf");
    Files.write(path, Bytes.header(2, 1, 0).tensor("t", 0, 0, 2).data(8).out.toByteArray());
    try (var file = GgufFile.open(path)) {
      assertThat(file.version()).isEqualTo(2);
      assertThat(file.tensor("t").toFloats()).containsExactly(0, 0);
    }
  }

  @Test
  void splitFilesOpenTogether() throws IOException {
    for (int i = 0; i < 3; i++) {
      part(i, 3, i, 3);
    }
    try (var file = GgufFile.open(directory.resolve("m-00002-of-00003.gguf"))) {
      assertThat(file.tensors().keySet()).containsExactly("t0", "t1", "t2");
      assertThat(file.metadata().string("general.name")).isEqualTo("part 0");
      assertThat(file.tensor("t2").toFloats()).containsExactly(2);
    }
    Files.delete(directory.resolve("m-00003-of-00003.gguf"));
    assertThatThrownBy(() -> GgufFile.open(directory.resolve("m-00001-of-00003.gguf")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("there is no file")
        .hasMessageContaining("m-00003-of-00003.gguf");
    part(2, 3, 1, 3);
    assertThatThrownBy(() -> GgufFile.open(directory.resolve("m-00001-of-00003.gguf")))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("is not number 3 of 3");
    part(2, 3, 2, 4);
    assertThatThrownBy(() -> GgufFile.open(directory.resolve("m-00001-of-00003.gguf")))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("is not number 3 of 3");
    Files.move(directory.resolve("m-00001-of-00003.gguf"), directory.resolve("renamed.gguf"));
    assertThatThrownBy(() -> GgufFile.open(directory.resolve("renamed.gguf")))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("not named like one");
  }

  private void part(int index, int count, int no, int claimed) {
    var metadata =
        GgufMetadata.builder()
            .string("general.name", "part " + index)
            .integer("split.no", GgufValue.IntegerType.U16, no)
            .integer("split.count", GgufValue.IntegerType.U16, claimed)
            .integer("split.tensors.count", GgufValue.IntegerType.I32, count)
            .build();
    var path = directory.resolve("m-0000%d-of-0000%d.gguf".formatted(index + 1, count));
    var name = "t" + index;
    var plan = List.of(new Planned(name, new long[] {1}, new Encoding.Plain(DType.F32)));
    try (var writer = GgufWriter.create(path, metadata, plan)) {
      writer.write(name, Tensor.ofFloats(new float[] {index}, 1));
      writer.finish();
    }
  }

  @Test
  void whatIsNotAFileIsSaidSo() {
    assertThatThrownBy(() -> GgufFile.open(directory.resolve("absent.gguf")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("there is no file");
    assertThatThrownBy(() -> GgufFile.open(directory))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("cannot read");
    assertThatThrownBy(
            () ->
                GgufWriter.create(
                    directory.resolve("no/such/x.gguf"), GgufMetadata.builder().build(), List.of()))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("its directory does not exist");
  }
}
