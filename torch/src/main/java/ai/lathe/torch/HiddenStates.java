package ai.lathe.torch;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * The hidden states of all calibration sequences between two blocks, in batches. Each batch is
 * overwritten by the next block's output, so that there is one copy. States beyond a limit of
 * memory live in a mapped temporary file, where the system keeps as much of them resident as there
 * is room for.
 */
public final class HiddenStates implements AutoCloseable {

  private final Arena arena = Arena.ofShared();
  private final TokenBatches batches;
  private final List<MemorySegment> states = new ArrayList<>();
  private final int width;
  private final long tokens;

  /**
   * @param sequences of any lengths; those of similar length share a batch
   * @param width of the residual stream
   * @param batchTokens about as many tokens a batch; at least one sequence
   * @param memoryLimit bytes above which the states go to a file
   * @param spillDirectory for that file
   */
  public HiddenStates(
      List<int[]> sequences, int width, int batchTokens, long memoryLimit, Path spillDirectory) {
    this.width = width;
    this.tokens = sequences.stream().mapToLong(sequence -> sequence.length).sum();
    batches = new TokenBatches(sequences, batchTokens);
    long bytes = 0;
    for (int batch = 0; batch < batches.count(); batch++) {
      bytes += bytes(batch);
    }
    var memory =
        bytes > memoryLimit ? mapTemporaryFile(bytes, spillDirectory) : arena.allocate(bytes, 64);
    long at = 0;
    for (int batch = 0; batch < batches.count(); batch++) {
      states.add(memory.asSlice(at, bytes(batch)));
      at += bytes(batch);
    }
  }

  /** Bytes that states of these sequences take, without the little that padding adds. */
  public static long bytes(List<int[]> sequences, int width) {
    return sequences.stream().mapToLong(sequence -> sequence.length).sum() * width * Float.BYTES;
  }

  /** Real tokens of all sequences. */
  public long tokens() {
    return tokens;
  }

  public int batches() {
    return batches.count();
  }

  /** Token ids of a batch, {@code [sequences, tokens]}. */
  public int[][] tokens(int batch) {
    return batches.tokens(batch);
  }

  /** See {@link TokenBatches#padding}. */
  public Tensor padding(int batch) {
    return batches.padding(batch);
  }

  /** The states of a batch, {@code [sequences, tokens, hidden]}, as a view of this memory. */
  public Tensor get(int batch) {
    var rows = batches.tokens(batch);
    return Torch.view(states.get(batch), rows.length, rows[0].length, width);
  }

  /** Overwrites a batch. */
  public void set(int batch, Tensor states) {
    get(batch).copy_(states);
  }

  /** The states of one sequence, {@code [tokens, hidden]} without padding, as a view. */
  public Tensor sequence(int index) {
    var place = batches.place(index);
    return get(place.batch()).select(0, place.row()).narrow(0, 0, place.length());
  }

  /** The same of one of the very arrays that were given. */
  Tensor sequence(int[] sequence) {
    return sequence(batches.index(sequence));
  }

  private long bytes(int batch) {
    return batches.size(batch) * width * Float.BYTES;
  }

  private MemorySegment mapTemporaryFile(long bytes, Path directory) {
    try {
      Files.createDirectories(directory);
      var file = Files.createTempFile(directory, "lathe-states", ".tmp");
      try (var channel =
          FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
        return channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
      } finally {
        // The mapping keeps the data; without a name nothing is left behind, however the process
        // ends.
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new LatheException(
          "no room for "
              + bytes
              + " bytes of hidden states in "
              + directory
              + ": "
              + e.getMessage(),
          e);
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
