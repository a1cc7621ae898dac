package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.LatheException;
import java.util.List;

/** Every block type there is. A new one is a file beside these and a line here. */
public final class BlockTypes {

  /** One signed scale for 32 weights of 4 bits: 4.5 bits a weight. */
  public static final BlockType Q4_0 = new Q4_0();

  /** Scale and minimum for 32 weights of 4 bits: 5 bits a weight. */
  public static final BlockType Q4_1 = new Q4_1();

  /** One scale for 32 weights of 8 bits: 8.5 bits a weight. */
  public static final BlockType Q8_0 = new Q8_0();

  /** 8 groups of 32 weights of 4 bits, 6-bit scales and minima: 4.5 bits a weight. */
  public static final BlockType Q4_K = new Q4_K();

  /** 16 groups of 16 weights of 6 bits, 8-bit scales: 6.5625 bits a weight. */
  public static final BlockType Q6_K = new Q6_K();

  private static final List<BlockType> ALL = List.of(Q4_0, Q4_1, Q8_0, Q4_K, Q6_K);

  private BlockTypes() {}

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
