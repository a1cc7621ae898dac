package ai.lathe.cli;

import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.block.BlockTypes;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Stream;

/** The names of element and block types, for help texts, completion and errors. */
final class MatrixTypes {

  /** What a converted matrix can be made of, element by element. */
  static final List<DType> PLAIN = List.of(DType.F32, DType.F16, DType.BF16);

  private MatrixTypes() {}

  /** GGUF's blocks. */
  static final class Blocks implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return BlockTypes.all().stream().map(BlockType::name).iterator();
    }
  }

  /** All of them. */
  static final class All implements Iterable<String> {
    static List<String> names() {
      return Stream.concat(
              PLAIN.stream().map(DType::name), BlockTypes.all().stream().map(BlockType::name))
          .toList();
    }

    @Override
    public Iterator<String> iterator() {
      return names().iterator();
    }
  }
}
