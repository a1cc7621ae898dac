package ai.lathe.format.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufValue.IntegerType;
import ai.lathe.format.gguf.GgufWriter.Planned;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.block.BlockEncoder;
import ai.lathe.tensor.block.BlockTypes;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufRoundTripTest {

  @TempDir Path directory;

  private static final GgufMetadata EVERY_TYPE =
      GgufMetadata.builder()
          .string("general.architecture", "llama")
          .string("empty", "")
          .string("not.ascii", "Ġword ▁ 漢字 🙂")
          .integer("u8", IntegerType.U8, 255)
          .integer("i8", IntegerType.I8, -128)
          .integer("u16", IntegerType.U16, 65535)
          .integer("i16", IntegerType.I16, -32768)
          .u32("u32", 4294967295L)
          .integer("i32", IntegerType.I32, Integer.MIN_VALUE)
          .integer("u64", IntegerType.U64, Long.MAX_VALUE)
          .integer("i64", IntegerType.I64, Long.MIN_VALUE)
          .f32("f32", 0.1f)
          .put("f64", new GgufValue.Real(true, 0.1))
          .bool("yes", true)
          .bool("no", false)
          .strings("texts", List.of("a", "", "ß"))
          .integers("u32s", IntegerType.U32, 0, 4294967295L)
          .integers("i8s", IntegerType.I8, -1, 127)
          .f32s("f32s", 1.5f, Float.NEGATIVE_INFINITY)
          .put("bools", new GgufValue.Bools(new boolean[] {true, false}))
          .put(
              "nested",
              new GgufValue.Arrays(
                  List.of(
                      new GgufValue.Texts(List.of("x")),
                      new GgufValue.Integers(IntegerType.I16, new long[] {-5}))))
          .build();

  @Test
  void metadataOfEveryTypeComesBack() {
    var path = directory.resolve("every.gguf");
    try (var writer = GgufWriter.create(path, EVERY_TYPE, List.of())) {
      writer.finish();
    }
    try (var file = GgufFile.open(path)) {
      var read = file.metadata();
      assertThat(read.keys()).containsExactlyElementsOf(EVERY_TYPE.keys());
      assertThat(read.values()).usingRecursiveComparison().isEqualTo(EVERY_TYPE.values());
      assertThat(read.string("not.ascii")).isEqualTo("Ġword ▁ 漢字 🙂");
      assertThat(read.integer("u32")).isEqualTo(4294967295L);
      assertThat(read.real("f64")).isEqualTo(0.1);
      assertThat(read.real("i8")).isEqualTo(-128);
      assertThat(read.integers("u32s")).containsExactly(0, 4294967295L);
      assertThat(read.findString("absent")).isEmpty();
      assertThatThrownBy(() -> read.string("u8"))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("'u8' should be a string, not the integer 255");
      assertThatThrownBy(() -> read.integer("absent"))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("has no key 'absent'");
      assertThat(file.bytes()).isEqualTo(GgufWriter.bytes(EVERY_TYPE, List.of()));
    }
  }

  @Test
  void tensorsOfEveryTypeComeBackWhateverTheOrderOfWriting() throws IOException {
    var path = directory.resolve("tensors.gguf");
    var contents = contents();
    var plan = plan(contents);
    var names = new ArrayList<>(contents.keySet());
    java.util.Collections.shuffle(names, new Random(1));
    try (var writer = GgufWriter.create(path, EVERY_TYPE, plan)) {
      names.forEach(name -> write(writer, name, contents.get(name)));
      assertThat(path).doesNotExist();
      writer.finish();
    }
    assertThat(path).hasSize(GgufWriter.bytes(EVERY_TYPE, plan));
    assertThat(directory.resolve("tensors.gguf.partial")).doesNotExist();
    try (var file = GgufFile.open(path)) {
      assertThat(file.tensors().keySet()).containsExactlyElementsOf(contents.keySet());
      contents.forEach(
          (name, expected) -> {
            switch (expected) {
              case Tensor tensor -> {
                assertThat(file.tensor(name).dtype()).isEqualTo(tensor.dtype());
                assertThat(file.tensor(name).shape()).isEqualTo(tensor.shape());
                assertThat(file.tensor(name).data().mismatch(tensor.data())).isEqualTo(-1);
              }
              case LinearWeight weight -> {
                var read = file.matrix(name);
                assertThat(read.encoding()).isEqualTo(weight.encoding());
                assertThat(read.decode().values()).isEqualTo(weight.decode().values());
              }
              default -> throw new AssertionError();
            }
          });
    }
  }

  private static void write(GgufWriter writer, String name, Object content) {
    switch (content) {
      case Tensor tensor -> writer.write(name, tensor);
      case LinearWeight weight -> writer.write(name, weight);
      default -> throw new AssertionError();
    }
  }

  static Map<String, Object> contents() {
    var random = new Random(7);
    Map<String, Object> contents = new LinkedHashMap<>();
    for (var type : BlockTypes.all()) {
      var matrix = Matrix.zeros(3, 512);
      for (int i = 0; i < matrix.values().length; i++) {
        matrix.values()[i] = (float) random.nextGaussian();
      }
      BlockQuantized blocks = BlockEncoder.encode(type, Dense.of(matrix), null, Arena.ofAuto());
      contents.put("blocks." + type.name(), blocks);
    }
    for (var dtype :
        List.of(DType.F32, DType.F16, DType.BF16, DType.F64, DType.I8, DType.I16, DType.I32)) {
      var data = Arena.ofAuto().allocate(dtype.bytes(15));
      for (long i = 0; i < data.byteSize(); i++) {
        data.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt(64));
      }
      contents.put("plain." + dtype, new Tensor(dtype, new long[] {5, 3}, data));
    }
    contents.put("norm", Tensor.ofFloats(new float[] {1, 2, 3}, 3));
    contents.put("three", Tensor.ofFloats(new float[24], 2, 3, 4));
    return contents;
  }

  static List<Planned> plan(Map<String, Object> contents) {
    return contents.entrySet().stream()
        .map(
            entry ->
                switch (entry.getValue()) {
                  case Tensor t ->
                      new Planned(entry.getKey(), t.shape(), new Encoding.Plain(t.dtype()));
                  case LinearWeight w ->
                      new Planned(entry.getKey(), new long[] {w.rows(), w.columns()}, w.encoding());
                  default -> throw new AssertionError();
                })
        .toList();
  }

  @Test
  void anUnfinishedFileLeavesTheTargetAloneAndNothingBehind() throws IOException {
    var path = directory.resolve("kept.gguf");
    Files.writeString(path, "as before");
    var contents = contents();
    try (var writer = GgufWriter.create(path, EVERY_TYPE, plan(contents))) {
      write(writer, "norm", contents.get("norm"));
      assertThatThrownBy(writer::finish)
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("'blocks.Q8_0' is missing");
    }
    assertThat(path).hasContent("as before");
    try (var files = Files.list(directory)) {
      assertThat(files).containsExactly(path);
    }
  }

  @Test
  void resumingYieldsTheSameBytes() throws IOException {
    var contents = contents();
    var plan = plan(contents);
    var whole = directory.resolve("whole.gguf");
    try (var writer = GgufWriter.create(whole, EVERY_TYPE, plan)) {
      contents.forEach((name, content) -> write(writer, name, content));
      writer.finish();
    }
    var path = directory.resolve("resumed.gguf");
    var names = new ArrayList<>(contents.keySet());
    try (var writer = GgufWriter.create(path, EVERY_TYPE, plan)) {
      names.subList(0, 4).forEach(name -> write(writer, name, contents.get(name)));
      writer.flush();
      write(writer, names.get(4), contents.get(names.get(4)));
    }
    try (var writer = GgufWriter.resume(path, EVERY_TYPE, plan)) {
      // The fifth was written after the last flush: it does not count.
      assertThat(writer.written()).containsExactlyElementsOf(names.subList(0, 4));
      names.subList(4, names.size()).forEach(name -> write(writer, name, contents.get(name)));
      writer.finish();
    }
    assertThat(Files.mismatch(whole, path)).isEqualTo(-1);
  }

  @Test
  void matricesOfOneTensorComeOneByOneAndAreResumed() {
    var path = directory.resolve("stacked.gguf");
    var encoding = new Encoding.Blocked(BlockTypes.Q8_0);
    var plan = List.of(new Planned("m", new long[] {3, 2, 32}, encoding));
    var matrices = new ArrayList<BlockQuantized>();
    for (int i = 0; i < 3; i++) {
      var blocks = MemorySegment.ofArray(new byte[(int) encoding.bytes(2, 32)]);
      blocks.fill((byte) (i + 1));
      matrices.add(new BlockQuantized(BlockTypes.Q8_0, 2, 32, blocks));
    }
    try (var writer = GgufWriter.create(path, EVERY_TYPE, plan)) {
      writer.write("m", 2, matrices.get(2));
      writer.write("m", 0, matrices.get(0));
      writer.flush();
      assertThatThrownBy(writer::finish)
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("'m' is missing");
    }
    try (var writer = GgufWriter.resume(path, EVERY_TYPE, plan)) {
      assertThat(writer.written()).isEmpty();
      assertThatThrownBy(() -> writer.write("m", matrices.get(1)))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("planned as Q8_0[3, 2, 32], and is Q8_0[2, 32]");
      writer.write("m", 1, matrices.get(1));
      assertThat(writer.written()).containsExactly("m");
      writer.finish();
    }
    try (var file = GgufFile.open(path)) {
      for (int i = 0; i < 3; i++) {
        assertThat(file.matrix("m", i).decode().values())
            .isEqualTo(matrices.get(i).decode().values());
      }
      assertThatThrownBy(() -> file.matrix("m", 3))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("'m' holds 3 matrices, and no 3");
      assertThatThrownBy(() -> file.matrix("m")).hasMessageContaining("is not a matrix");
    }
  }

  @Test
  void anotherPlanIsNotResumed() {
    var contents = contents();
    var plan = plan(contents);
    var path = directory.resolve("other.gguf");
    try (var writer = GgufWriter.create(path, EVERY_TYPE, plan)) {
      writer.flush();
    }
    assertThatThrownBy(() -> GgufWriter.resume(path, EVERY_TYPE, plan.subList(0, plan.size() - 1)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("begun with other settings");
    var otherMetadata = EVERY_TYPE.toBuilder().u32("u32", 1).build();
    assertThatThrownBy(() -> GgufWriter.resume(path, otherMetadata, plan))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("begun with other settings");
  }

  @Test
  void whatWasNotPlannedIsRefused() {
    var path = directory.resolve("plan.gguf");
    var plan = List.of(new Planned("a", new long[] {2, 32}, new Encoding.Blocked(BlockTypes.Q8_0)));
    try (var writer = GgufWriter.create(path, EVERY_TYPE, plan)) {
      assertThatThrownBy(() -> writer.write("b", Tensor.ofFloats(new float[1], 1)))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("unknown tensor 'b'");
      assertThatThrownBy(() -> writer.write("a", Tensor.ofFloats(new float[64], 2, 32)))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("planned as Q8_0[2, 32], and is F32[2, 32]");
    }
    assertThatThrownBy(
            () ->
                GgufWriter.create(
                    path,
                    EVERY_TYPE,
                    List.of(
                        new Planned(
                            "a", new long[] {2, 33}, new Encoding.Blocked(BlockTypes.Q8_0)))))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("rows of 33");
    assertThatThrownBy(() -> GgufWriter.create(path, EVERY_TYPE, List.of(plan.get(0), plan.get(0))))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("two tensors are named 'a'");
  }
}
