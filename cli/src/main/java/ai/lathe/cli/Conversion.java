package ai.lathe.cli;

import ai.lathe.compress.calibration.Importance;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.checkpoint.CheckpointPlan;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.block.BlockEncoder;
import ai.lathe.tensor.linalg.Parallel;
import java.lang.foreign.Arena;
import java.util.Map;
import java.util.stream.IntStream;

/** Writes a model over in other encodings, one tensor in memory at a time. */
final class Conversion {

  private final Checkpoint source;
  private final Map<Address, Encoding> encodings;
  private final Importance importance;

  /**
   * @param encodings of every matrix
   * @param importance of inputs, where blocks are fitted
   */
  Conversion(Checkpoint source, Map<Address, Encoding> encodings, Importance importance) {
    this.source = source;
    this.encodings = encodings;
    this.importance = importance;
  }

  void write(CheckpointPlan plan, Progress progress) {
    try (var writer = plan.create();
        var task = progress.start("converting", source.addresses().size())) {
      for (var address : source.addresses()) {
        var encoding = encodings.get(address);
        if (encoding == null) {
          writer.write(address, source.vector(address).orElseThrow());
        } else {
          try (var arena = Arena.ofShared()) {
            writer.write(address, encode(source.matrix(address), encoding, address, arena));
          }
        }
        task.advance(1);
      }
      writer.finish();
    }
  }

  private LinearWeight encode(
      LinearWeight weight, Encoding encoding, Address address, Arena arena) {
    if (encoding.equals(weight.encoding())) {
      return weight;
    }
    if (weight instanceof Sparse sparse && encoding.equals(sparse.encoding().values())) {
      return sparse.dense();
    }
    return switch (encoding) {
      case Encoding.Plain(DType type) -> plain(weight, type, address, arena);
      case Encoding.Blocked(BlockType type) -> blocks(weight, type, address, arena);
      case Encoding other ->
          throw new IllegalStateException("a conversion does not choose " + other.label());
    };
  }

  private Dense plain(LinearWeight weight, DType type, Address address, Arena arena) {
    int columns = weight.columns();
    var data = arena.allocate(type.bytes((long) weight.rows() * columns), 64);
    float largest = largest(type);
    rows(
        weight,
        address,
        (row, values) -> {
          for (float value : values) {
            if (Math.abs(value) > largest) {
              throw new LatheException(
                  "%s holds %g, more than %s can; choose BF16 or F32"
                      .formatted(source.name(address), value, type));
            }
          }
          Tensor.putFloats(type, values, columns, data, (long) row * columns);
        });
    return new Dense(new Tensor(type, new long[] {weight.rows(), columns}, data));
  }

  private BlockQuantized blocks(LinearWeight weight, BlockType type, Address address, Arena arena) {
    int columns = weight.columns();
    var data = arena.allocate(type.bytes(weight.rows(), columns), 64);
    var weights = importance.of(address).orElse(null);
    rows(
        weight,
        address,
        (row, values) ->
            BlockEncoder.encode(type, values, 0, columns, weights, data, type.bytes(row, columns)));
    return new BlockQuantized(type, weight.rows(), columns, data);
  }

  /** What is done with one row; called for all of them, in parallel. */
  private interface Row {
    void take(int row, float[] values);
  }

  private void rows(LinearWeight weight, Address address, Row action) {
    // Some weights decode what all rows share first: many rows for each decoder.
    int step = Math.max(1, Math.ceilDiv(weight.rows(), 8 * Parallel.threads()));
    IntStream.range(0, Math.ceilDiv(weight.rows(), step))
        .parallel()
        .forEach(
            part -> {
              var decoder = weight.rowDecoder();
              var values = new float[weight.columns()];
              int to = Math.min(weight.rows(), (part + 1) * step);
              for (int row = part * step; row < to; row++) {
                decoder.decode(row, row + 1, values, 0);
                requireFinite(address, row, values);
                action.take(row, values);
              }
            });
  }

  private void requireFinite(Address address, int row, float[] values) {
    for (float value : values) {
      if (!Float.isFinite(value)) {
        throw new LatheException(
            "%s holds %s in row %d: the model is broken"
                .formatted(source.name(address), value, row));
      }
    }
  }

  /** Values above this would round to infinity. */
  private static float largest(DType type) {
    return type == DType.F16 ? 65519.996f : Float.MAX_VALUE;
  }
}
