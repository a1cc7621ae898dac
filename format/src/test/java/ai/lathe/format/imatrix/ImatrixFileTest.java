package ai.lathe.format.imatrix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.format.FormatException;
import ai.lathe.format.HostileInput;
import ai.lathe.format.imatrix.ImportanceMatrix.Entry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImatrixFileTest {

  private static Path fuzzed;

  @TempDir private Path directory;

  @BeforeContainer
  static void create() throws IOException {
    fuzzed = Files.createTempFile("imatrix-fuzz", "");
  }

  @AfterContainer
  static void delete() throws IOException {
    Files.delete(fuzzed);
  }

  /** What llama-imatrix of llama.cpp 0.5.0 wrote of stories260K, 8 chunks of 512 tokens. */
  private static Path reference(String name) {
    try {
      return Path.of(ImatrixFileTest.class.getResource("/imatrix/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void bothFormsOfLlamaCppHoldTheSame() {
    var matrix = ImatrixFile.read(reference("stories260K.gguf"));
    var legacy = ImatrixFile.read(reference("stories260K.dat"));
    assertThat(matrix.entries()).hasSize(35);
    assertThat(legacy.entries().keySet()).isEqualTo(matrix.entries().keySet());
    assertThat(matrix.datasets()).containsExactly("../cal.txt").isEqualTo(legacy.datasets());
    assertThat(matrix.chunkCount()).isEqualTo(8).isEqualTo(legacy.chunkCount());
    assertThat(matrix.chunkSize()).isEqualTo(512);
    var query = matrix.entries().get("blk.0.attn_q.weight");
    assertThat(query.counts()).containsExactly(4096);
    assertThat(query.sums()[0]).isEqualTo(1764.251f);
    matrix
        .entries()
        .forEach(
            (name, entry) -> {
              int columns = name.contains("ffn_down") ? 172 : 64;
              assertThat(entry.fits(1, columns)).as(name).isTrue();
              assertThat(entry.fits(1, columns + 1)).isFalse();
              var old = legacy.entries().get(name);
              assertThat(old.meanSquares(0, 1).orElseThrow())
                  .containsExactly(entry.meanSquares(0, 1).orElseThrow(), within(1e-5f));
            });
  }

  @Test
  void whatIsWrittenIsReadAgain() {
    var entries = new LinkedHashMap<String, Entry>();
    entries.put("blk.0.attn_q.weight", new Entry(new float[] {1, 2, 3}, new float[] {7}));
    entries.put(
        "blk.0.ffn_up_exps.weight",
        new Entry(new float[] {1, 2, 0, 0, 3, 4}, new float[] {2, 0, 4}));
    var written = new ImportanceMatrix(entries, List.of("a.txt", "b.txt"), 3, 128);
    var path = directory.resolve("imatrix.gguf");
    ImatrixFile.write(path, written);
    var read = ImatrixFile.read(path);
    assertThat(read.datasets()).isEqualTo(written.datasets());
    assertThat(read.chunkCount()).isEqualTo(3);
    assertThat(read.chunkSize()).isEqualTo(128);
    assertThat(read.entries().keySet()).isEqualTo(entries.keySet());
    read.entries()
        .forEach(
            (name, entry) -> {
              assertThat(entry.sums()).isEqualTo(entries.get(name).sums());
              assertThat(entry.counts()).isEqualTo(entries.get(name).counts());
            });
    var experts = read.entries().get("blk.0.ffn_up_exps.weight");
    assertThat(experts.fits(3, 2)).isTrue();
    assertThat(experts.fits(2, 3)).isFalse();
    assertThat(experts.meanSquares(0, 3).orElseThrow()).containsExactly(0.5f, 1);
    assertThat(experts.meanSquares(1, 3)).isEmpty();
    assertThat(experts.meanSquares(2, 3).orElseThrow()).containsExactly(0.75f, 1);
  }

  /** Before experts were counted, one number stood for all of them. */
  @Test
  void oneCountMayStandForAllExperts() {
    var entry = new Entry(new float[] {2, 4, 6, 8}, new float[] {2});
    assertThat(entry.fits(2, 2)).isTrue();
    assertThat(entry.meanSquares(1, 2).orElseThrow()).containsExactly(3, 4);
  }

  @Test
  void otherFilesAreRefusedInOneLine() throws IOException {
    var text =
        Files.writeString(directory.resolve("text.dat"), "Once upon a time there was a girl.");
    assertRefused(text, "not an importance matrix");
    assertRefused(Files.write(directory.resolve("empty.dat"), new byte[0]), "truncated");
    assertRefused(directory.resolve("absent"), "no such file");
    var path = directory.resolve("nothing.gguf");
    ImatrixFile.write(path, new ImportanceMatrix(Map.of(), List.of(), 0, 0));
    assertRefused(path, "no tensor that ends in .in_sum2");
    assertThatThrownBy(() -> new Entry(new float[] {Float.NaN}, new float[] {1}))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("finite number from 0 up, not NaN");
    assertThatThrownBy(() -> new Entry(new float[3], new float[2]))
        .isInstanceOf(FormatException.class);
    assertRefused(legacy(1 << 30, 3, "abc", 1, 2), "neither GGUF");
    assertRefused(legacy(1, 1 << 30, "abc", 1, 2), "claims 1073741824 elements");
    assertRefused(legacy(1, 3, "abc", 1, 1 << 30), "the values of abc claims");
    var cut = Arrays.copyOf(Files.readAllBytes(reference("stories260K.dat")), 12_200);
    assertRefused(Files.write(directory.resolve("cut.dat"), cut), "are left");
  }

  private Path legacy(int entries, int nameLength, String name, int calls, int values)
      throws IOException {
    var buffer = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
    buffer.putInt(entries).putInt(nameLength).put(name.getBytes(StandardCharsets.UTF_8));
    buffer.putInt(calls).putInt(values).putFloat(1).putFloat(2);
    var bytes = new byte[buffer.position()];
    buffer.get(0, bytes);
    return Files.write(directory.resolve("legacy.dat"), bytes);
  }

  private static void assertRefused(Path path, String because) {
    assertThatThrownBy(() -> ImatrixFile.read(path))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(because)
        .hasMessageNotContaining("\n");
  }

  @Property(tries = 1500, shrinking = ShrinkingMode.OFF)
  void damagedFilesAreReadOrRefused(@ForAll("damaged") byte[] bytes) {
    HostileInput.assertTame(
        bytes,
        input -> {
          try {
            Files.write(fuzzed, input);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
          for (var entry : ImatrixFile.read(fuzzed).entries().values()) {
            entry.meanSquares(0, 1);
          }
        });
  }

  @Provide
  Arbitrary<byte[]> damaged() {
    try {
      return HostileInput.from(
          List.of(small(".gguf"), small(".dat")), List.of("blk.0.attn_q.weight", ".in_sum2"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A file of two entries, so that damages meet its structure more often than its numbers. */
  private static byte[] small(String ending) throws IOException {
    if (ending.equals(".dat")) {
      var buffer = ByteBuffer.allocate(256).order(ByteOrder.LITTLE_ENDIAN);
      buffer.putInt(2);
      for (var name : List.of("blk.0.attn_q.weight", "blk.0.ffn_down.weight")) {
        buffer.putInt(name.length()).put(name.getBytes(StandardCharsets.UTF_8)).putInt(3);
        buffer.putInt(3).putFloat(1).putFloat(2).putFloat(3);
      }
      buffer.putInt(8).putInt(4).put("text".getBytes(StandardCharsets.UTF_8));
      var bytes = new byte[buffer.position()];
      buffer.get(0, bytes);
      return bytes;
    }
    var entry = new Entry(new float[] {1, 2, 3, 4}, new float[] {7, 8});
    var entries = Map.of("blk.0.attn_q.weight", entry, "blk.0.ffn_down.weight", entry);
    ImatrixFile.write(fuzzed, new ImportanceMatrix(entries, List.of("text"), 3, 128));
    return Files.readAllBytes(fuzzed);
  }
}
