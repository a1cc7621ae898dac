package ai.lathe.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Function;

/**
 * The weight {@code W [out, in]} of a linear layer {@code y = W x}, in whichever compressed form:
 * the shared language of Lathe. Solvers produce it, formats encode it, executors run it.
 */
public sealed interface LinearWeight
    permits Dense,
        GroupQuantized,
        BlockQuantized,
        CodebookQuantized,
        FloatQuantized,
        Rotated,
        BilevelQuantized,
        Sparse,
        SparseRows,
        Product,
        BlockDiagonal,
        ModeMatrix,
        Sum,
        SignedLowRank {

  /** Output features. */
  int rows();

  /** Input features. */
  int columns();

  /** How it is stored; tells its exact size. */
  Encoding encoding();

  /** How the layer's input is rounded where the layer is executed. */
  default Activations activations() {
    return encoding().activations();
  }

  /**
   * What is stored of the input's range where {@link Activations#calibrated} needs it; NaN where
   * nothing is.
   */
  default float inputScale() {
    return Float.NaN;
  }

  /** This weight with that {@link #inputScale}; for activations that need one. */
  default LinearWeight withInputScale(float scale) {
    throw new LatheException("a weight in " + encoding().label() + " stores no scale of its input");
  }

  /** Decodes rows {@code [from, to)} to float32, row-major, into {@code target[offset ..]}. */
  void decodeRows(int from, int to, float[] target, int offset);

  /**
   * {@link #decodeRows} with memory of its own for what lies between, for those who decode single
   * rows often; for one thread.
   */
  default RowDecoder rowDecoder() {
    return this::decodeRows;
  }

  /** See {@link #rowDecoder}. */
  @FunctionalInterface
  interface RowDecoder {
    void decode(int from, int to, float[] target, int offset);
  }

  /** All of it as float32. */
  default Matrix decode() {
    var matrix = Matrix.zeros(rows(), columns());
    decodeRows(0, rows(), matrix.values(), 0);
    return matrix;
  }

  /**
   * One weight of the rows of several, in order.
   *
   * @param parts at least one, all of one encoding and one number of columns
   */
  static LinearWeight stack(List<LinearWeight> parts) {
    var first = parts.getFirst();
    if (parts.size() == 1) {
      return first;
    }
    int rows = parts.stream().mapToInt(LinearWeight::rows).reduce(0, Math::addExact);
    return switch (first) {
      case Dense(Tensor tensor) ->
          new Dense(
              new Tensor(
                  tensor.dtype(),
                  new long[] {rows, first.columns()},
                  join(parts, part -> ((Dense) part).tensor().data())));
      case BlockQuantized(BlockType type, _, int columns, _) ->
          new BlockQuantized(
              type, rows, columns, join(parts, part -> ((BlockQuantized) part).blocks()));
      case GroupQuantized quantized -> GroupQuantized.stack(parts, quantized, rows);
      case FloatQuantized quantized -> FloatQuantized.stack(parts, quantized, rows);
      case Rotated rotated -> Rotated.stack(parts, rotated);
      case CodebookQuantized quantized ->
          throw new LatheException(
              "weights of " + quantized.encoding().label() + " have codebooks of their own");
      case BilevelQuantized _,
          Sparse _,
          SparseRows _,
          Product _,
          BlockDiagonal _,
          ModeMatrix _,
          Sum _,
          SignedLowRank _ ->
          throw new LatheException(
              "weights stored as " + first.encoding().label() + " cannot be put together");
    };
  }

  private static MemorySegment join(
      List<LinearWeight> parts, Function<LinearWeight, MemorySegment> data) {
    var segments = parts.stream().map(data).toList();
    long bytes = segments.stream().mapToLong(MemorySegment::byteSize).sum();
    var joined = Arena.ofAuto().allocate(bytes, 64);
    long at = 0;
    for (var segment : segments) {
      MemorySegment.copy(segment, 0, joined, at, segment.byteSize());
      at += segment.byteSize();
    }
    return joined;
  }
}
