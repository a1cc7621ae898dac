package ai.lathe.format.safetensors;

import ai.lathe.format.HostileInput;
import ai.lathe.format.Json;
import ai.lathe.format.TensorInfo;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;

class SafetensorsFuzzTest {

  private static final List<String> WORDS =
      List.of(
          "dtype",
          "shape",
          "data_offsets",
          "__metadata__",
          "F32",
          "F4",
          "C64",
          "BOOL",
          "\"",
          "[]",
          "[[",
          "{",
          "}",
          ",",
          ":",
          "null",
          "true",
          "-1",
          "1e9",
          "0.5",
          "\\u0000",
          "\"a\":",
          "é");

  @Provide
  Arbitrary<byte[]> files() {
    var one =
        SafetensorsHeader.plan(
            List.of(
                new TensorInfo("a.weight", DType.F32, new long[] {3, 4}),
                new TensorInfo("b", DType.BF16, new long[] {5}),
                new TensorInfo("c", DType.I64, new long[] {}),
                new TensorInfo("empty", DType.I8, new long[] {0, 7})),
            Map.of("format", "pt", "note", "line\nline"));
    var none = SafetensorsHeader.plan(List.of(), Map.of());
    return HostileInput.from(List.of(file(one), file(none)), WORDS);
  }

  private static byte[] file(SafetensorsHeader header) {
    return Arrays.copyOf(header.bytes(), Math.toIntExact(header.fileSize()));
  }

  @Property(tries = 25_000, shrinking = ShrinkingMode.OFF)
  void damagedFilesAreRefusedOrReadable(@ForAll("files") byte[] file) {
    HostileInput.assertTame(
        file,
        bytes -> {
          var segment = MemorySegment.ofArray(bytes);
          var header = SafetensorsHeader.parse(segment, "fuzz");
          for (var entry : header.entries().values()) {
            var info = entry.info();
            var tensor =
                new Tensor(
                    info.dtype(), info.shape(), segment.asSlice(entry.offset(), info.bytes()));
            if (tensor.elements() > 0 && info.dtype() == DType.F32) {
              tensor.toFloats();
            }
          }
        });
  }

  @Provide
  Arbitrary<byte[]> indexes() {
    var index =
        """
        {"metadata": {"total_size": 123}, "weight_map":
        {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
        """;
    return HostileInput.from(
        List.of(index.getBytes(StandardCharsets.UTF_8)),
        List.of("../", "/", "weight_map", "\"", "{}", "[]", "null", "1", ".safetensors", "\\n"));
  }

  @Property(tries = 20_000, shrinking = ShrinkingMode.OFF)
  void damagedIndexesAreRefusedOrReadable(@ForAll("indexes") byte[] text) {
    HostileInput.assertTame(
        text, bytes -> Safetensors.shardNames(Json.parse(bytes, "fuzz"), "fuzz"));
  }
}
