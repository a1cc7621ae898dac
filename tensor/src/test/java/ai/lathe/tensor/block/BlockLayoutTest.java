package ai.lathe.tensor.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class BlockLayoutTest {

  static List<BlockType> types() {
    return BlockTypes.all();
  }

  /** Random blocks and what the Python package gguf makes of them; see tools/block_golden.py. */
  @ParameterizedTest
  @MethodSource("types")
  void decodesAsTheReferenceDoes(BlockType type) throws IOException {
    byte[] golden;
    try (var resource = getClass().getResourceAsStream("/blocks/" + type.name() + ".bin")) {
      golden = resource.readAllBytes();
    }
    int blocks = golden.length / (type.bytes() + 4 * type.size());
    assertThat(blocks).isEqualTo(4);
    var expected = new float[blocks * type.size()];
    ByteBuffer.wrap(golden, blocks * type.bytes(), 4 * expected.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .asFloatBuffer()
        .get(expected);
    var stored = MemorySegment.ofArray(golden).asSlice(0, (long) blocks * type.bytes());
    var decoded = new BlockQuantized(type, 2, 2 * type.size(), stored).decode().values();
    // Bit for bit, but for the sign of zero.
    for (int i = 0; i < expected.length; i++) {
      assertThat(decoded[i]).as("weight %d", i).isEqualTo(expected[i] + 0f, OF_ZEROS);
    }
  }

  /** Levels and scales taken apart decode to the same values. */
  @ParameterizedTest
  @MethodSource("types")
  void takenApartAsDecoded(BlockType type) {
    var random = new Random(9);
    var block = new byte[type.bytes() + 3];
    var levels = new byte[type.size() + 2];
    var scales = type.emptyScales();
    var decoded = new float[type.size()];
    for (int repeat = 0; repeat < 50; repeat++) {
      random.nextBytes(block);
      type.decode(MemorySegment.ofArray(block), 3, decoded, 0);
      type.read(MemorySegment.ofArray(block), 3, levels, 2, scales);
      for (int i = 0; i < type.size(); i++) {
        int group = i / type.groupSize();
        float value = scales.scale()[group] * levels[2 + i] + scales.offset()[group];
        assertThat(Float.valueOf(value)).as("weight %d", i).isEqualTo(Float.valueOf(decoded[i]));
      }
    }
  }

  private static final org.assertj.core.data.Offset<Float> OF_ZEROS =
      org.assertj.core.data.Offset.offset(0f);

  /** Whatever the codes, a reader sees scale * level + offset, bit for bit. */
  @ParameterizedTest
  @MethodSource("types")
  void whatIsWrittenIsWhatTheScalesPromise(BlockType type) {
    var random = new Random(3);
    for (int repeat = 0; repeat < 50; repeat++) {
      var x = new float[type.size() + 5];
      for (int i = 0; i < x.length; i++) {
        x[i] = (float) (random.nextGaussian() * Math.exp(repeat - 40) * 0.01);
      }
      var scales = type.fit(x, 5, null);
      var codes = new byte[type.size() + 3];
      for (int i = 3; i < codes.length; i++) {
        codes[i] = (byte) random.nextInt(type.codes());
      }
      var block = MemorySegment.ofArray(new byte[type.bytes() + 7]);
      type.write(scales, codes, 3, block, 7);
      var decoded = new float[type.size() + 2];
      type.decode(block, 7, decoded, 2);
      for (int i = 0; i < type.size(); i++) {
        int group = i / type.groupSize();
        float promised =
            scales.scale()[group] * type.level(codes[3 + i] & 0xFF) + scales.offset()[group];
        assertThat(decoded[2 + i]).isEqualTo(promised, OF_ZEROS);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("types")
  void shapesAreConsistent(BlockType type) {
    assertThat(type.size() % type.groupSize()).isZero();
    assertThat(type.codes()).isBetween(2, 256);
    assertThat(type.bytes(3, 2L * type.size())).isEqualTo(6L * type.bytes());
    for (int code = 0; code < type.codes(); code++) {
      assertThat(type.nearest(type.level(code))).isEqualTo(code);
    }
    assertThat(type.nearest(-1e30f)).isZero();
    assertThat(type.nearest(1e30f)).isEqualTo(type.codes() - 1);
    assertThat(BlockTypes.named(type.name())).isSameAs(type);
    assertThat(type).hasToString(type.name());
  }

  @Test
  void anUnknownNameIsAnsweredWithTheNearest() {
    assertThatThrownBy(() -> BlockTypes.named("Q4K"))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("unknown block type 'Q4K'; did you mean 'Q4_K'?");
  }

  @Test
  void bytesAreThoseOfGguf() {
    assertThat(types().stream().map(type -> type.name() + " " + type.size() + "/" + type.bytes()))
        .containsExactly(
            "Q8_0 32/34",
            "Q5_0 32/22",
            "Q5_1 32/24",
            "Q4_0 32/18",
            "Q4_1 32/20",
            "IQ4_NL 32/18",
            "Q6_K 256/210",
            "Q5_K 256/176",
            "Q4_K 256/144",
            "Q3_K 256/110",
            "Q2_K 256/84",
            "MXFP4 32/17",
            "NVFP4 64/36");
  }
}
