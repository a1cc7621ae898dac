package ai.lathe.format.compressed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.format.MapSource;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.SignedLowRank;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BitStackCodecTest {

  private static final BitStackCodec CODEC = new BitStackCodec();

  private static Tensor half(int rows, int columns, Random random) {
    var values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(values, rows, columns).to(DType.F16, Arena.ofAuto());
  }

  static Sum stack(int blocks, int rows, int columns, int rank) {
    var random = new Random(blocks + rows);
    var parts = new ArrayList<LinearWeight>();
    for (int i = 0; i < blocks; i++) {
      var signs = new byte[Math.ceilDiv(rows * columns, 8)];
      random.nextBytes(signs);
      parts.add(
          new SignedLowRank(
              rows,
              columns,
              MemorySegment.ofArray(signs),
              half(rows, rank, random),
              half(rank, columns, random)));
    }
    return new Sum(parts);
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 1, 1", "3, 7, 9, 2", "16, 12, 20, 4", "64, 3, 3, 1"})
  void everyStackComesBackExactly(int blocks, int rows, int columns, int rank) {
    var weight = stack(blocks, rows, columns, rank);
    assertThat(CompressedTensors.codec(weight.encoding())).isInstanceOf(BitStackCodec.class);
    var tensors = CODEC.encode("m", weight);
    assertThat(CODEC.layout("m", weight.encoding(), rows, columns))
        .containsExactlyElementsOf(
            tensors.entrySet().stream()
                .map(e -> new TensorInfo(e.getKey(), e.getValue().dtype(), e.getValue().shape()))
                .toList());
    assertThat(tensors.keySet()).allMatch(name -> CODEC.suffixes().contains(name.substring(1)));
    assertThat(CODEC.bytes(weight.encoding(), rows, columns))
        .isEqualTo(weight.encoding().bytes(rows, columns));
    var json = CODEC.weights(weight.encoding(), ActivationOrder.NONE);
    var read = CODEC.encoding(new JsonFields(json, "config"), Activations.NONE);
    assertThat(read).isEqualTo(weight.encoding());
    assertThat(CODEC.shape("m", weight.encoding(), new MapSource(tensors)))
        .containsExactly(rows, columns);
    var back = CODEC.decode("m", read, new MapSource(tensors));
    assertThat(back.decode().values()).isEqualTo(weight.decode().values());
  }

  /** The authors' packing: eight weights a byte, the first in the highest bit, 1 for plus. */
  @Test
  void signsAreReadFromTheHighestBit() {
    var one = Tensor.ofFloats(new float[] {1}, 1, 1).to(DType.F16, Arena.ofAuto());
    var ones = new float[10];
    java.util.Arrays.fill(ones, 1);
    var vt = Tensor.ofFloats(ones, 1, 10).to(DType.F16, Arena.ofAuto());
    var signs = MemorySegment.ofArray(new byte[] {(byte) 0b1010_0001, (byte) 0b0100_0000});
    assertThat(new SignedLowRank(1, 10, signs, one, vt).decode().values())
        .containsExactly(1, -1, 1, -1, -1, -1, -1, 1, -1, 1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"qweight_0", "qweight_1", "u_0", "u_1", "vt_0", "vt_1"})
  void aTensorOfAnotherSizeOrNoneIsRefused(String name) {
    var weight = stack(2, 6, 10, 3);
    var tensors = new LinkedHashMap<>(CODEC.encode("m", weight));
    tensors.put("m." + name, Tensor.ofFloats(new float[7], 7, 1));
    assertThatThrownBy(() -> CODEC.decode("m", weight.encoding(), new MapSource(tensors)))
        .isInstanceOf(FormatException.class);
    tensors.remove("m." + name);
    assertThatThrownBy(() -> CODEC.decode("m", weight.encoding(), new MapSource(tensors)))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(name);
  }

  @ParameterizedTest
  @CsvSource({"niter, 0", "niter, 65", "niter, -1", "k, 0", "k, 100000000"})
  void settingsThatCannotBeAreRefused(String field, int value) {
    var weights = CODEC.weights(stack(2, 6, 10, 3).encoding(), ActivationOrder.NONE);
    weights.put(field, value);
    assertThatThrownBy(
            () -> CODEC.encoding(new JsonFields(weights, "config.json"), Activations.NONE))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("config.json");
  }
}
