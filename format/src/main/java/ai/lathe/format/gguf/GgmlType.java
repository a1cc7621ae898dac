package ai.lathe.format.gguf;

import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.block.BlockTypes;
import java.util.List;
import java.util.Optional;

/**
 * How GGUF says a tensor is stored.
 *
 * @param id the number in the file
 * @param name as llama.cpp prints it
 * @param blockSize elements in a block; 1 for plain types, 0 where the type is not known at all
 * @param blockBytes bytes of a block; 0 where the type is not known at all
 */
public record GgmlType(int id, String name, int blockSize, int blockBytes) {

  private static final List<GgmlType> KNOWN =
      List.of(
          new GgmlType(0, "F32", 1, 4),
          new GgmlType(1, "F16", 1, 2),
          new GgmlType(2, "Q4_0", 32, 18),
          new GgmlType(3, "Q4_1", 32, 20),
          new GgmlType(6, "Q5_0", 32, 22),
          new GgmlType(7, "Q5_1", 32, 24),
          new GgmlType(8, "Q8_0", 32, 34),
          new GgmlType(9, "Q8_1", 32, 36),
          new GgmlType(10, "Q2_K", 256, 84),
          new GgmlType(11, "Q3_K", 256, 110),
          new GgmlType(12, "Q4_K", 256, 144),
          new GgmlType(13, "Q5_K", 256, 176),
          new GgmlType(14, "Q6_K", 256, 210),
          new GgmlType(15, "Q8_K", 256, 292),
          new GgmlType(16, "IQ2_XXS", 256, 66),
          new GgmlType(17, "IQ2_XS", 256, 74),
          new GgmlType(18, "IQ3_XXS", 256, 98),
          new GgmlType(19, "IQ1_S", 256, 50),
          new GgmlType(20, "IQ4_NL", 32, 18),
          new GgmlType(21, "IQ3_S", 256, 110),
          new GgmlType(22, "IQ2_S", 256, 82),
          new GgmlType(23, "IQ4_XS", 256, 136),
          new GgmlType(24, "I8", 1, 1),
          new GgmlType(25, "I16", 1, 2),
          new GgmlType(26, "I32", 1, 4),
          new GgmlType(27, "I64", 1, 8),
          new GgmlType(28, "F64", 1, 8),
          new GgmlType(29, "IQ1_M", 256, 56),
          new GgmlType(30, "BF16", 1, 2),
          new GgmlType(34, "TQ1_0", 256, 54),
          new GgmlType(35, "TQ2_0", 256, 66),
          new GgmlType(39, "MXFP4", 32, 17),
          new GgmlType(40, "NVFP4", 64, 36));

  /** The type of this number; one that nobody knows is called by it and has no size. */
  static GgmlType of(int id) {
    return KNOWN.stream()
        .filter(type -> type.id == id)
        .findFirst()
        .orElseGet(() -> new GgmlType(id, "type " + Integer.toUnsignedString(id), 0, 0));
  }

  /** How an encoding is called in GGUF; empty where GGUF has no such type. */
  public static Optional<GgmlType> of(Encoding encoding) {
    return switch (encoding) {
      case Encoding.Plain(DType dtype) -> named(dtype.name(), 1);
      case Encoding.Blocked(BlockType type) -> named(type.name(), type.size());
      case Encoding _ -> Optional.empty();
    };
  }

  private static Optional<GgmlType> named(String name, int blockSize) {
    return KNOWN.stream()
        .filter(type -> type.name.equals(name) && type.blockSize == blockSize)
        .findFirst();
  }

  /** Whether the size of a tensor of this type is known. */
  public boolean known() {
    return blockSize > 0;
  }

  /** What Lathe calls it; empty where Lathe cannot read it yet. */
  public Optional<Encoding> encoding() {
    if (blockSize == 1) {
      return Optional.of(new Encoding.Plain(DType.valueOf(name)));
    }
    return BlockTypes.all().stream()
        .filter(type -> type.name().equals(name))
        .findFirst()
        .map(Encoding.Blocked::new);
  }

  @Override
  public String toString() {
    return name;
  }
}
