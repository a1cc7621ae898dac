package ai.lathe.compress.pruning.fisher;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The matrices that are being pruned, in float32, in a mapped file without a name: the system keeps
 * in memory what there is room for, and nothing is left behind however the process ends.
 */
final class WeightStore implements AutoCloseable {

  private final Checkpoint source;
  private final List<Address> addresses;
  private final Map<Address, Integer> indices = new HashMap<>();
  private final int[] rows;
  private final int[] columns;
  private final long[] offsets;
  private final MemorySegment memory;
  private final Arena arena = Arena.ofShared();

  /**
   * Copies the matrices.
   *
   * @param directory for the file
   */
  WeightStore(Checkpoint source, List<Address> addresses, Path directory) {
    this.source = source;
    this.addresses = addresses;
    rows = new int[addresses.size()];
    columns = new int[addresses.size()];
    offsets = new long[addresses.size() + 1];
    for (int i = 0; i < addresses.size(); i++) {
      var matrix = source.matrix(addresses.get(i));
      rows[i] = matrix.rows();
      columns[i] = matrix.columns();
      indices.put(addresses.get(i), i);
      offsets[i + 1] = offsets[i] + weights(i) * (long) Float.BYTES;
    }
    memory = map(offsets[addresses.size()], directory);
    for (int i = 0; i < addresses.size(); i++) {
      write(i, source.matrix(addresses.get(i)).decode().values());
      source.release(addresses.get(i).block());
    }
  }

  private MemorySegment map(long bytes, Path directory) {
    try {
      Files.createDirectories(directory);
      var file = Files.createTempFile(directory, ".lathe-weights", ".tmp");
      try (var channel =
          FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
        return channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
      } finally {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new LatheException(
          "no room for %d bytes of weights in %s: %s".formatted(bytes, directory, e.getMessage()),
          e);
    }
  }

  int size() {
    return addresses.size();
  }

  Address address(int index) {
    return addresses.get(index);
  }

  int rows(int index) {
    return rows[index];
  }

  int columns(int index) {
    return columns[index];
  }

  int weights(int index) {
    return Math.multiplyExact(rows[index], columns[index]);
  }

  float[] read(int index) {
    return memory(index).toArray(ValueLayout.JAVA_FLOAT);
  }

  /** The weights where they are, {@code [rows, columns]} float32. */
  MemorySegment memory(int index) {
    return memory.asSlice(offsets[index], offsets[index + 1] - offsets[index]);
  }

  void write(int index, float[] weights) {
    MemorySegment.copy(weights, 0, memory, ValueLayout.JAVA_FLOAT, offsets[index], weights.length);
  }

  /** The model with the matrices as they are at the time that each is asked for. */
  Checkpoint model() {
    return new CheckpointView(source) {
      @Override
      public LinearWeight matrix(Address address) {
        var index = indices.get(address);
        return index == null
            ? source.matrix(address)
            : Dense.of(new Matrix(rows(index), columns(index), read(index)));
      }
    };
  }

  @Override
  public void close() {
    arena.close();
  }
}
