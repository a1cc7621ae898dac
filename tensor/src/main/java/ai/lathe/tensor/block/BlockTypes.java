package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.LatheException;
import java.util.List;

/**
 * Every block type there is, by falling precision within a kind. A new one is a line here, where it
 * is of a kind that exists.
 */
public final class BlockTypes {

  /** One signed scale for 32 weights of 8 bits: 8.5 bits a weight. */
  public static final BlockType Q8_0 = q8_0();

  /** One signed scale for 32 weights of 5 bits: 5.5 bits a weight. */
  public static final BlockType Q5_0 =
      new SymmetricBlock(
          "Q5_0", 22, Levels.consecutive(-16, 15), new Plane(6, 4, 16), new Plane(2, 1, 1, 4));

  /** Scale and minimum for 32 weights of 5 bits: 6 bits a weight. */
  public static final BlockType Q5_1 =
      new AffineBlock(
          "Q5_1", 24, Levels.consecutive(0, 31), new Plane(8, 4, 16), new Plane(4, 1, 1, 4));

  /** One signed scale for 32 weights of 4 bits: 4.5 bits a weight. */
  public static final BlockType Q4_0 =
      new SymmetricBlock("Q4_0", 18, Levels.consecutive(-8, 7), new Plane(2, 4, 16));

  /** Scale and minimum for 32 weights of 4 bits: 5 bits a weight. */
  public static final BlockType Q4_1 =
      new AffineBlock("Q4_1", 20, Levels.consecutive(0, 15), new Plane(4, 4, 16));

  /**
   * One signed scale for 32 weights of 4 bits, whose levels are denser around zero: 4.5 bits a
   * weight.
   */
  public static final BlockType IQ4_NL =
      new SymmetricBlock(
          "IQ4_NL",
          18,
          Levels.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113),
          new Plane(2, 4, 16));

  /** 16 groups of 16 weights of 6 bits, 8-bit scales: 6.5625 bits a weight. */
  public static final BlockType Q6_K =
      new SuperBlock(
          "Q6_K",
          210,
          Levels.consecutive(-32, 31),
          208,
          GroupScales.SIGNED_BYTES,
          192,
          new Plane(0, 4, 64),
          new Plane(128, 2, 32, 4));

  /** 8 groups of 32 weights of 5 bits, 6-bit scales and minima: 5.5 bits a weight. */
  public static final BlockType Q5_K =
      new SuperBlock(
          "Q5_K",
          176,
          Levels.consecutive(0, 31),
          0,
          GroupScales.SIX_BIT_PAIRS,
          4,
          new Plane(48, 4, 32),
          new Plane(16, 1, 32, 4));

  /** 8 groups of 32 weights of 4 bits, 6-bit scales and minima: 4.5 bits a weight. */
  public static final BlockType Q4_K =
      new SuperBlock(
          "Q4_K",
          144,
          Levels.consecutive(0, 15),
          0,
          GroupScales.SIX_BIT_PAIRS,
          4,
          new Plane(16, 4, 32));

  /** 16 groups of 16 weights of 3 bits, 6-bit scales: 3.4375 bits a weight. */
  public static final BlockType Q3_K =
      new SuperBlock(
          "Q3_K",
          110,
          Levels.consecutive(-4, 3),
          108,
          GroupScales.SIX_BITS,
          96,
          new Plane(32, 2, 32),
          new Plane(0, 1, 32, 2));

  /** 16 groups of 16 weights of 2 bits, 4-bit scales and minima: 2.625 bits a weight. */
  public static final BlockType Q2_K =
      new SuperBlock(
          "Q2_K",
          84,
          Levels.consecutive(0, 3),
          80,
          GroupScales.NIBBLE_PAIRS,
          0,
          new Plane(16, 2, 32));

  /** 32 floats E2M1 with a power of two as scale: 4.25 bits a weight. */
  public static final BlockType MXFP4 = new Fp4Block("MXFP4", 32, 1, Fp4Block.Scale.E8M0);

  /** 4 groups of 16 floats E2M1, each with a scale E4M3: 4.5 bits a weight. */
  public static final BlockType NVFP4 = new Fp4Block("NVFP4", 64, 4, Fp4Block.Scale.UE4M3);

  private static final List<BlockType> ALL =
      List.of(Q8_0, Q5_0, Q5_1, Q4_0, Q4_1, IQ4_NL, Q6_K, Q5_K, Q4_K, Q3_K, Q2_K, MXFP4, NVFP4);

  private BlockTypes() {}

  /** Stored as signed bytes. -128 is left out of the search, as it has no opposite. */
  private static BlockType q8_0() {
    var levels = Levels.consecutive(-128, 127);
    var symbols = new byte[256];
    for (int code = 0; code < symbols.length; code++) {
      symbols[code] = (byte) (code - 128);
    }
    var search = ScaleSearch.covering(Levels.consecutive(-127, 127));
    return new SymmetricBlock("Q8_0", 34, levels, symbols, search, List.of(new Plane(2, 8, 32)));
  }

  public static List<BlockType> all() {
    return ALL;
  }

  /**
   * The type of this exact name.
   *
   * @throws LatheException naming the nearest valid one
   */
  public static BlockType named(String name) {
    return ALL.stream()
        .filter(type -> type.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                LatheException.unknown(
                    "block type", name, ALL.stream().map(BlockType::name).toList()));
  }
}
