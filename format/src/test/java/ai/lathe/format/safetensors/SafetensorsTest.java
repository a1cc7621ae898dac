package ai.lathe.format.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.TensorInfo;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {

  @TempDir Path directory;

  private static Tensor random(TensorInfo info, Random random) {
    var bytes = new byte[Math.toIntExact(info.bytes())];
    random.nextBytes(bytes);
    return new Tensor(info.dtype(), info.shape(), MemorySegment.ofArray(bytes));
  }

  private static Map<String, Tensor> random(List<TensorInfo> infos) {
    var random = new Random(7);
    var tensors = new LinkedHashMap<String, Tensor>();
    infos.forEach(info -> tensors.put(info.name(), random(info, random)));
    return tensors;
  }

  private static byte[] bytes(Tensor tensor) {
    return tensor.data().toArray(ValueLayout.JAVA_BYTE);
  }

  private static TensorInfo info(String name, DType dtype, long... shape) {
    return new TensorInfo(name, dtype, shape);
  }

  private static List<TensorInfo> everyType() {
    var infos = new ArrayList<TensorInfo>();
    for (var dtype : DType.values()) {
      infos.add(info("t." + dtype, dtype, 3, 8));
    }
    infos.add(info("scalar", DType.F32));
    infos.add(info("empty", DType.F16, 4, 0));
    infos.add(info("odd", DType.I8, 13));
    return infos;
  }

  @Test
  void everyTypeComesBackAsItWasWritten() {
    var tensors = random(everyType());
    var plan = SafetensorsPlan.single("x.safetensors", everyType(), Map.of("format", "pt"));
    var order = new ArrayList<>(tensors.keySet());
    Collections.shuffle(order, new Random(1));
    try (var writer = SafetensorsWriter.create(directory, plan)) {
      order.forEach(name -> writer.write(name, tensors.get(name)));
      writer.finish();
    }
    try (var file = Safetensors.open(directory.resolve("x.safetensors"))) {
      assertThat(file.names()).containsExactlyInAnyOrderElementsOf(tensors.keySet());
      assertThat(file.metadata()).containsExactly(Map.entry("format", "pt"));
      for (var info : everyType()) {
        assertThat(file.info(info.name())).isEqualTo(info);
        assertThat(bytes(file.tensor(info.name()))).isEqualTo(bytes(tensors.get(info.name())));
        long alignment = Math.max(1, info.dtype().bits() / 8);
        assertThat(file.tensor(info.name()).data().address() % alignment).isZero();
      }
    }
    assertThat(directory.resolve("x.safetensors")).hasSize(plan.bytes());
  }

  @Test
  void shardsAreFilledInOrderAndFoundThroughTheIndex() throws IOException {
    var infos = everyType();
    var tensors = random(infos);
    var plan = SafetensorsPlan.sharded(infos, Map.of("format", "pt"), 300);
    try (var writer = SafetensorsWriter.create(directory, plan)) {
      tensors.forEach(writer::write);
      writer.finish();
    }
    long written = 0;
    try (var files = Files.list(directory)) {
      for (var file : files.toList()) {
        written += Files.size(file);
      }
    }
    assertThat(written).isEqualTo(plan.bytes());
    try (var model = Safetensors.open(directory)) {
      assertThat(model.files()).hasSize(plan.files().size()).hasSizeGreaterThan(3);
      assertThat(model.names()).hasSize(infos.size());
      for (var name : tensors.keySet()) {
        assertThat(bytes(model.tensor(name))).isEqualTo(bytes(tensors.get(name)));
      }
    }
    Files.delete(directory.resolve(plan.files().get(1).name()));
    assertThatThrownBy(() -> Safetensors.open(directory))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("its shard " + plan.files().get(1).name() + " is missing");
  }

  @Test
  void aSmallModelIsOneFile() {
    var plan = SafetensorsPlan.sharded(everyType(), Map.of(), SafetensorsPlan.SHARD_BYTES);
    assertThat(plan.files()).singleElement().matches(f -> f.name().equals("model.safetensors"));
  }

  @Test
  void anInterruptedWriterGoesOnAndGivesTheSameBytes() throws IOException {
    var infos = everyType();
    var tensors = random(infos);
    var plan = SafetensorsPlan.single("x.safetensors", infos, Map.of());
    try (var writer = SafetensorsWriter.create(directory, plan)) {
      tensors.forEach(writer::write);
      writer.finish();
    }
    var whole = Files.readAllBytes(directory.resolve("x.safetensors"));

    var names = List.copyOf(tensors.keySet());
    var durable = names.subList(0, names.size() / 2);
    try (var writer = SafetensorsWriter.create(directory, plan)) {
      durable.forEach(name -> writer.write(name, tensors.get(name)));
      writer.flush();
      assertThatThrownBy(writer::finish).hasMessageContaining("were not written");
    }
    try (var writer = SafetensorsWriter.resume(directory, plan, durable)) {
      names.stream()
          .filter(name -> !durable.contains(name))
          .forEach(name -> writer.write(name, tensors.get(name)));
      writer.finish();
    }
    assertThat(Files.readAllBytes(directory.resolve("x.safetensors"))).isEqualTo(whole);

    var other = SafetensorsPlan.single("x.safetensors", infos.subList(1, infos.size()), Map.of());
    assertThatThrownBy(() -> SafetensorsWriter.resume(directory, other, List.of()))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("begun with other tensors");
  }

  @Test
  void theWriterTakesOnlyWhatWasPlanned() {
    var plan = SafetensorsPlan.single("x.safetensors", List.of(info("a", DType.F32, 2)), Map.of());
    try (var writer = SafetensorsWriter.create(directory, plan)) {
      assertThatThrownBy(() -> writer.write("b", Tensor.ofFloats(new float[2], 2)))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("not among those planned");
      assertThatThrownBy(() -> writer.write("a", Tensor.ofFloats(new float[3], 3)))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("was planned as 'a' F32[2]");
      writer.discard();
    }
    assertThat(directory).isEmptyDirectory();
  }

  @Test
  void aFileThatTheDiskCannotHoldIsRefusedBeforeItExists() {
    var plan =
        SafetensorsPlan.single("x.safetensors", List.of(info("a", DType.F32, 1L << 55)), Map.of());
    assertThatThrownBy(() -> SafetensorsWriter.create(directory, plan))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("the disk has");
    assertThat(directory).isEmptyDirectory();
  }

  @Test
  void filesOverTwoGibibytesAreMappedWhole() {
    var infos =
        List.of(
            info("big", DType.U8, 3L << 30), info("tail", DType.F32, 2), info("z", DType.U8, 1));
    var plan = SafetensorsPlan.single("big.safetensors", infos, Map.of());
    var tail = Tensor.ofFloats(new float[] {1.5f, -2}, 2);
    var z = new Tensor(DType.U8, new long[] {1}, MemorySegment.ofArray(new byte[] {42}));
    // Nothing is written to 'big': a hole of 3 GiB, which costs no disk.
    try (var writer = SafetensorsWriter.create(directory, plan)) {
      writer.write("tail", tail);
      writer.write("z", z);
    }
    try (var file = SafetensorsFile.open(directory.resolve("big.safetensors"))) {
      assertThat(file.bytes()).isGreaterThan(3L << 30);
      assertThat(file.tensor("tail").toFloats()).containsExactly(1.5f, -2);
      assertThat(bytes(file.tensor("z"))).containsExactly(42);
      assertThat(file.tensor("big").getLong((3L << 30) - 1)).isZero();
    }
  }

  /** A file with this JSON and that many bytes of data. */
  private Path file(String json, int data) throws IOException {
    var text = json.getBytes(StandardCharsets.UTF_8);
    var file = ByteBuffer.allocate(8 + text.length + data).order(ByteOrder.LITTLE_ENDIAN);
    file.putLong(text.length).put(text);
    return Files.write(directory.resolve("bad.safetensors"), file.array());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,4]}}|8|needs 8 bytes, but its offsets hold 4",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,16]}}|8|lies at [0, 16] of 8 bytes of data; is the file truncated?",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[8,0]}}|8|lies at [8, 0]",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[-8,0]}}|8|numbers from 0 to 2^63 - 1",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]},'b':{'dtype':'F32','shape':[1],'data_offsets':[2,6]}}|6|inside the one before it",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]},'b':{'dtype':'F32','shape':[1],'data_offsets':[8,12]}}|12|after a gap",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}}|8|4 bytes of data belong to no tensor",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]},'a':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}}|8|Duplicate field 'a'",
        "{'a':{'dtype':'F31','shape':[1],'data_offsets':[0,4]}}|4|unknown type 'F31'; did you mean 'F32'?",
        "{'a':{'dtype':'F32','shape':[4611686018427387904,4],'data_offsets':[0,0]}}|0|is too large",
        "{'a':{'dtype':'F32','shape':[9223372036854775807],'data_offsets':[0,0]}}|0|is too large",
        "{'a':{'dtype':'F32','shape':[99999999999999999999],'data_offsets':[0,0]}}|0|numbers from 0 to 2^63 - 1",
        "{'a':{'dtype':'F4','shape':[3],'data_offsets':[0,1]}}|1|ends within a byte",
        "{'a':{'dtype':'F32','shape':[1.5],'data_offsets':[0,4]}}|4|whole numbers",
        "{'a':{'dtype':'F32','shape':[1]}}|4|expected two numbers in 'a.data_offsets'",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4],'x':1}}|4|has a field 'x'",
        "{'__metadata__':{'a':1}}|0|expected a string in '__metadata__.a'",
        "{'a':3}|0|expected an object in 'a'",
        "{} {}|0|nothing after the closing brace",
        "{'a|0|not valid JSON",
        "[]|0|does not begin with '{'",
      },
      quoteCharacter = '`')
  void aContradictoryHeaderIsRefusedInOneLine(String json, int data, String message)
      throws IOException {
    // JSON's quotes stand as apostrophes in the table above.
    var path = file(json.replace('\'', '"'), data);
    assertThatThrownBy(() -> Safetensors.open(path))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(path.toString())
        .hasMessageContaining(message)
        .message()
        .doesNotContain("\n");
  }

  @Test
  void aHeaderLengthBeyondTheFileIsRefused() throws IOException {
    for (long length : new long[] {-1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 40, 9, 0}) {
      var file = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(length);
      var path = Files.write(directory.resolve("bad.safetensors"), file.array());
      assertThatThrownBy(() -> Safetensors.open(path))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("the header claims");
    }
    Files.write(directory.resolve("short"), new byte[7]);
    assertThatThrownBy(() -> Safetensors.open(directory.resolve("short")))
        .hasMessageContaining("too few for a safetensors file");
    Files.write(directory.resolve("empty"), new byte[0]);
    assertThatThrownBy(() -> Safetensors.open(directory.resolve("empty")))
        .hasMessageContaining("too few for a safetensors file");
  }

  @Test
  void aHeaderOverTheFormatsLimitIsNotRead() throws IOException {
    var path = directory.resolve("bad.safetensors");
    try (var file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(1L << 33);
      file.writeLong(Long.reverseBytes(1L << 32));
    }
    assertThatThrownBy(() -> Safetensors.open(path))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("at most 100000000 are allowed");
  }

  @Test
  void namesWithControlCharactersStayOnOneLine() throws IOException {
    var path =
        file("{\"a\\n\\u001b[31m\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8);
    assertThatThrownBy(() -> Safetensors.open(path))
        .message()
        .contains("tensor 'a??[31m'")
        .doesNotContain("\n");
  }

  @Test
  void aMissingModelIsNamed() {
    assertThatThrownBy(() -> Safetensors.open(directory))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("holds neither model.safetensors nor model.safetensors.index.json");
    assertThatThrownBy(() -> Safetensors.open(directory.resolve("none.safetensors")))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("no such file");
  }

  @Test
  void anIndexThatContradictsItsShardsIsRefused() throws IOException {
    var plan = SafetensorsPlan.single("s.safetensors", List.of(info("a", DType.F32, 1)), Map.of());
    SafetensorsWriter.create(directory, plan).close();
    var index = directory.resolve("model.safetensors.index.json");
    Files.writeString(index, "{\"weight_map\": {\"b\": \"s.safetensors\"}}");
    assertThatThrownBy(() -> Safetensors.open(directory))
        .hasMessageContaining("tensor 'b' is not in its shard s.safetensors");
    Files.writeString(index, "{\"weight_map\": {\"a\": \"../s.safetensors\"}}");
    assertThatThrownBy(() -> Safetensors.open(directory)).hasMessageContaining("is no file name");
    Files.writeString(index, "{\"weight_map\": []}");
    assertThatThrownBy(() -> Safetensors.open(directory)).hasMessageContaining("'weight_map'");
  }
}
