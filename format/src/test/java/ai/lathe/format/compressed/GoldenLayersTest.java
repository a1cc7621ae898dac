package ai.lathe.format.compressed;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.format.WeightCodec;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Layers that the Python package compressed (tools/golden_compressed_tensors.py). */
class GoldenLayersTest {

  /** One layer of a golden file: {@code <format>.<bits>.<sym|asym>.<group size>}. */
  record Case(String file, String prefix, WeightCodec codec, IntegerScheme scheme) {
    @Override
    public String toString() {
      return file + " " + prefix;
    }
  }

  static Stream<Case> layers() {
    var cases = new ArrayList<Case>();
    for (var file : List.of("dense", "padded")) {
      for (int bits = 2; bits <= 8; bits++) {
        for (boolean symmetric : new boolean[] {true, false}) {
          for (int group : new int[] {0, 32}) {
            var scheme = new IntegerScheme(bits, group, symmetric, Activations.NONE);
            var name = "pack-quantized." + bits + (symmetric ? ".sym." : ".asym.") + group;
            // The shapes alone tell how these were packed.
            cases.add(new Case(file, name, new PackQuantized(), scheme));
          }
        }
      }
      var assumed = new PackQuantized(file.equals("dense") ? Packing.DENSE : Packing.PADDED);
      for (int bits : new int[] {3, 5, 6, 7}) {
        var scheme = new IntegerScheme(bits, 0, true, Activations.NONE);
        cases.add(new Case(file, "ambiguous." + bits, assumed, scheme));
      }
      for (boolean symmetric : new boolean[] {true, false}) {
        var scheme = new IntegerScheme(8, 0, symmetric, Activations.INT8_TOKEN);
        var name = "int-quantized.8." + (symmetric ? "sym" : "asym") + ".0";
        cases.add(new Case(file, name, new IntQuantized(), scheme));
      }
    }
    return cases.stream();
  }

  private static SafetensorsFile open(String file) throws URISyntaxException {
    var resource = GoldenLayersTest.class.getResource("/compressed/" + file + ".safetensors");
    return SafetensorsFile.open(Path.of(Objects.requireNonNull(resource).toURI()));
  }

  private static byte[] bytes(Tensor tensor) {
    return tensor.data().toArray(ValueLayout.JAVA_BYTE);
  }

  @ParameterizedTest
  @MethodSource("layers")
  void decodesToTheSameCodesAndValues(Case layer) throws URISyntaxException {
    try (var file = open(layer.file)) {
      var stored = file.tensor(layer.prefix + ".weight_scale").dtype();
      var weight =
          (GroupQuantized)
              layer.codec.decode(layer.prefix, new Encoding.Grouped(layer.scheme, stored), file);
      assertThat(weight.codes()).isEqualTo(bytes(file.tensor(layer.prefix + ".codes")));
      if (!layer.scheme.symmetric()) {
        assertThat(weight.zeros()).isEqualTo(bytes(file.tensor(layer.prefix + ".zeros")));
      }
      // The package computes in the type of the scales; so rounded, ours are the same bits.
      var decoded = file.tensor(layer.prefix + ".decoded");
      var values = weight.decode().values();
      var rounded = MemorySegment.ofArray(new byte[(int) decoded.data().byteSize()]);
      Tensor.putFloats(decoded.dtype(), values, values.length, rounded, 0);
      assertThat(rounded.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(bytes(decoded));
    }
  }

  @ParameterizedTest
  @MethodSource("layers")
  void encodesToWhatTheCurrentPackageWrites(Case layer) throws URISyntaxException {
    try (var file = open(layer.file);
        var current = open("dense")) {
      var stored = file.tensor(layer.prefix + ".weight_scale").dtype();
      var encoding = new Encoding.Grouped(layer.scheme, stored);
      var weight = layer.codec.decode(layer.prefix, encoding, file);
      var tensors = layer.codec.encode(layer.prefix, weight);
      long written = 0;
      for (var entry : tensors.entrySet()) {
        written += entry.getValue().data().byteSize();
        if (layer.file.equals("dense")) {
          assertThat(current.info(entry.getKey()).shape()).isEqualTo(entry.getValue().shape());
          assertThat(current.info(entry.getKey()).dtype()).isEqualTo(entry.getValue().dtype());
          assertThat(bytes(entry.getValue())).isEqualTo(bytes(current.tensor(entry.getKey())));
        }
      }
      assertThat(written)
          .isEqualTo(layer.codec.bytes(encoding, weight.rows(), weight.columns()))
          .isEqualTo(
              encoding.bytes(weight.rows(), weight.columns())
                  + (layer.codec instanceof PackQuantized ? 16 : 0));
      var names =
          current.names().stream()
              .filter(name -> name.startsWith(layer.prefix + ".weight"))
              .toList();
      assertThat(tensors.keySet()).containsExactlyInAnyOrderElementsOf(names);
    }
  }
}
