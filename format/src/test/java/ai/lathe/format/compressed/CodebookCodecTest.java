package ai.lathe.format.compressed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.format.MapSource;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.CodebookQuantized;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding.Codebooks;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class CodebookCodecTest {

  static CodebookQuantized random(Codebooks encoding, int rows, int columns, Random random) {
    int count = encoding.bits().size();
    int blocks = encoding.blockRows(rows) * encoding.blockColumns(columns);
    var codes = new char[count][blocks];
    var books = new float[count][];
    for (int m = 0; m < count; m++) {
      int entries = 1 << encoding.bits().get(m);
      for (int i = 0; i < blocks; i++) {
        codes[m][i] = (char) random.nextInt(entries);
      }
      books[m] = halves(entries * encoding.blockSize(), random);
    }
    var scales = encoding.scaled() ? halves(encoding.blockRows(rows), random) : null;
    return new CodebookQuantized(encoding, rows, columns, codes, books, scales);
  }

  private static float[] halves(int count, Random random) {
    var values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = Float.float16ToFloat(Float.floatToFloat16((float) random.nextGaussian()));
    }
    return values;
  }

  @Property(tries = 300)
  void everyWeightAndItsDescriptionComeBackExactly(
      @ForAll @IntRange(min = 1, max = 11) int bits,
      @ForAll @IntRange(min = 1, max = 3) int count,
      @ForAll @IntRange(min = 1, max = 9) int group,
      @ForAll @IntRange(min = 1, max = 20) int rows,
      @ForAll @IntRange(min = 1, max = 12) int across,
      @ForAll boolean scaled,
      @ForAll Random random) {
    var encoding =
        scaled
            ? new Codebooks(1, group, Collections.nCopies(count, bits), true)
            : new Codebooks(group, 1, Collections.nCopies(Math.min(count, 2), bits), false);
    roundTrip(random(encoding, rows, across * encoding.inGroup(), random));
  }

  @Test
  void codesOfSixteenBitsAndOfTwoWidthsComeBack() {
    var random = new Random(3);
    roundTrip(random(new Codebooks(1, 4, List.of(16), true), 3, 20, random));
    roundTrip(random(new Codebooks(3, 1, List.of(12, 3), false), 10, 7, random));
  }

  private static void roundTrip(CodebookQuantized weight) {
    var codec = (ConfiguredCodec) CompressedTensors.codec(weight.encoding());
    assertThat(codec.name()).isEqualTo(weight.encoding().scaled() ? "aqlm" : "vptq");
    var tensors = codec.encode("m.q", weight);
    var infos = new LinkedHashMap<String, TensorInfo>();
    tensors.forEach(
        (name, tensor) -> infos.put(name, new TensorInfo(name, tensor.dtype(), tensor.shape())));
    assertThat(codec.layout("m.q", weight.encoding(), weight.rows(), weight.columns()))
        .containsExactlyElementsOf(infos.values());
    // The encoding's own figure is of the data; the shape is 16 bytes more.
    long bytes = codec.bytes(weight.encoding(), weight.rows(), weight.columns()) - 16;
    assertThat(weight.encoding().bytes(weight.rows(), weight.columns())).isEqualTo(bytes);
    var source = new MapSource(tensors);
    assertThat(codec.shape("m.q", weight.encoding(), source))
        .containsExactly(weight.rows(), weight.columns());
    var described = codec.weights(weight.encoding(), ActivationOrder.NONE);
    var encoding = codec.encoding(new JsonFields(described, "config"), Activations.NONE);
    assertThat(encoding).isEqualTo(weight.encoding());
    var back = (CodebookQuantized) codec.decode("m.q", encoding, source);
    assertThat(back.codes()).isEqualTo(weight.codes());
    assertThat(back.codebooks()).isEqualTo(weight.codebooks());
    assertThat(back.scales()).isEqualTo(weight.scales());
    assertThat(back.decode().values()).isEqualTo(weight.decode().values());
  }

  /** The definition of VQuantLinear's packed indices, bit by bit. */
  @Test
  void vptqIndicesLieWhereItsReaderLooksForThem() {
    var encoding = new Codebooks(2, 1, List.of(5, 2), false);
    var weight = random(encoding, 6, 9, new Random(5));
    var indices = new VptqCodec().encode("m", weight).get("m.indices");
    assertThat(indices.shape()).containsExactly(1, 3, 2);
    for (int vector = 0; vector < 3; vector++) {
      for (int input = 0; input < 9; input++) {
        int merged =
            weight.codes()[1][vector * 9 + input] << 5 | weight.codes()[0][vector * 9 + input];
        for (int bit = 0; bit < 7; bit++) {
          int at = input * 7 + bit;
          long word = indices.getLong(vector * 2 + at / 32);
          assertThat(word >> at % 32 & 1).isEqualTo(merged >> bit & 1);
        }
      }
    }
  }

  @Test
  void aqlmCodesOfEightBitsAreBytesByGroupAndCodebook() {
    var weight = random(new Codebooks(1, 8, List.of(8, 8), true), 3, 32, new Random(7));
    var tensors = new AqlmCodec().encode("m", weight);
    var codes = tensors.get("m.codes");
    assertThat(codes.dtype()).isEqualTo(DType.I8);
    assertThat(codes.shape()).containsExactly(3, 4, 2);
    for (int i = 0; i < 12; i++) {
      for (int m = 0; m < 2; m++) {
        assertThat(codes.getLong(i * 2 + m) & 0xFF).isEqualTo(weight.codes()[m][i]);
      }
    }
    assertThat(tensors.get("m.codebooks").shape()).containsExactly(2, 256, 1, 8);
    assertThat(tensors.get("m.scales").shape()).containsExactly(3, 1, 1, 1);
  }

  @Test
  void hostileTensorsAndDescriptionsAreRefused() {
    var encoding = new Codebooks(1, 4, List.of(3), true);
    var weight = random(encoding, 4, 12, new Random(9));
    var codec = new AqlmCodec();
    var tensors = new LinkedHashMap<>(codec.encode("m", weight));
    var shape = tensors.get("m.weight_shape");
    tensors.put("m.weight_shape", Layer.shapeTensor(4, 13));
    refused(codec, encoding, tensors, "groups of 4 do not divide rows of 13");
    tensors.put("m.weight_shape", Layer.shapeTensor(4000, 12));
    refused(codec, encoding, tensors, "expected tensor 'm.codes' I32[4000, 1]");
    tensors.put("m.weight_shape", shape);
    var scales = MemorySegment.ofArray(new byte[8]);
    scales.set(ValueLayout.JAVA_SHORT_UNALIGNED, 0, (short) 0x7C00);
    tensors.put("m.scales", new Tensor(DType.F16, new long[] {4, 1, 1, 1}, scales));
    refused(codec, encoding, tensors, "scales holds Infinity");
    var described = codec.weights(encoding, ActivationOrder.NONE);
    for (int count : new int[] {0, -1, 65, Integer.MAX_VALUE}) {
      described.put("num_codebooks", count);
      assertThatThrownBy(
              () -> codec.encoding(new JsonFields(described, "config"), Activations.NONE))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("config: 'num_codebooks' should be from 1 to 64, not " + count);
    }
    var vectors =
        new VptqCodec().weights(new Codebooks(8, 1, List.of(4), false), ActivationOrder.NONE);
    vectors.put("num_centroids", 65537);
    assertThatThrownBy(
            () -> new VptqCodec().encoding(new JsonFields(vectors, "config"), Activations.NONE))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("should be a power of two from 2 to 65536, not 65537");
    vectors.put("num_centroids", 16).put("vector_len", Integer.MAX_VALUE);
    assertThatThrownBy(
            () -> new VptqCodec().encoding(new JsonFields(vectors, "config"), Activations.NONE))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("blocks of codebooks have 1 to 64 weights");
  }

  private static void refused(
      ConfiguredCodec codec,
      Codebooks encoding,
      java.util.Map<String, Tensor> tensors,
      String why) {
    assertThatThrownBy(() -> codec.decode("m", encoding, new MapSource(tensors)))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(why);
  }
}
