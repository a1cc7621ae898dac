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
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/**
 * The hidden states of all calibration sequences between two blocks, in batches. Each batch is
 * overwritten by the next block's output, so that there is one copy. States beyond a limit of
 * memory live in a mapped temporary file, where the system keeps as much of them resident as there
 * is room for.
 */
public final class HiddenStates implements AutoCloseable {

  private final Arena arena = Arena.ofShared();
  private final List<Batch> batches = new ArrayList<>();
  private final Map<Integer, Place> places = new HashMap<>();
  private final int width;
  private final long tokens;

  /**
   * One batch.
   *
   * @param tokens rows of equal length, short sequences filled up with token 0
   * @param lengths real tokens of each row
   * @param states {@code [sequences, tokens, hidden]} float32
   */
  private record Batch(int[][] tokens, int[] lengths, MemorySegment states) {}

  /** Where a sequence went. */
  private record Place(int batch, int row) {}

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
    var order =
        IntStream.range(0, sequences.size())
            .boxed()
            .sorted(Comparator.comparingInt(i -> sequences.get(i).length))
            .toList();
    var groups = groups(order, sequences, batchTokens);
    long bytes = groups.stream().mapToLong(group -> bytes(group, sequences)).sum();
    var memory =
        bytes > memoryLimit ? mapTemporaryFile(bytes, spillDirectory) : arena.allocate(bytes, 64);
    long at = 0;
    for (var group : groups) {
      for (int row = 0; row < group.size(); row++) {
        places.put(group.get(row), new Place(batches.size(), row));
      }
      batches.add(batch(group, sequences, memory.asSlice(at, bytes(group, sequences))));
      at += bytes(group, sequences);
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
    return batches.size();
  }

  /** Token ids of a batch, {@code [sequences, tokens]}. */
  public int[][] tokens(int batch) {
    return batches.get(batch).tokens();
  }

  /**
   * {@code [sequences, tokens]}, 1 for real tokens and 0 for padding; null where there is no
   * padding.
   */
  public Tensor padding(int batch) {
    var lengths = batches.get(batch).lengths();
    int longest = batches.get(batch).tokens()[0].length;
    var mask = new float[lengths.length * longest];
    boolean ragged = false;
    for (int row = 0; row < lengths.length; row++) {
      Arrays.fill(mask, row * longest, row * longest + lengths[row], 1f);
      ragged |= lengths[row] < longest;
    }
    return ragged ? Torch.ofFloats(mask, lengths.length, longest) : null;
  }

  /** The states of a batch, {@code [sequences, tokens, hidden]}, as a view of this memory. */
  public Tensor get(int batch) {
    var rows = batches.get(batch).tokens();
    return Torch.view(batches.get(batch).states(), rows.length, rows[0].length, width);
  }

  /** Overwrites a batch. */
  public void set(int batch, Tensor states) {
    get(batch).copy_(states);
  }

  /** The states of one sequence, {@code [tokens, hidden]} without padding, as a view. */
  public Tensor sequence(int index) {
    var place = places.get(index);
    int length = batches.get(place.batch()).lengths()[place.row()];
    return get(place.batch()).select(0, place.row()).narrow(0, 0, length);
  }

  /** Indices in ascending order of length, cut where a batch is full. */
  private static List<List<Integer>> groups(
      List<Integer> order, List<int[]> sequences, int batchTokens) {
    var groups = new ArrayList<List<Integer>>();
    var group = new ArrayList<Integer>();
    for (int index : order) {
      long longest = sequences.get(index).length;
      if (!group.isEmpty() && (group.size() + 1) * longest > batchTokens) {
        groups.add(group);
        group = new ArrayList<>();
      }
      group.add(index);
    }
    groups.add(group);
    return groups;
  }

  private long bytes(List<Integer> group, List<int[]> sequences) {
    return (long) group.size() * sequences.get(group.getLast()).length * width * Float.BYTES;
  }

  private static Batch batch(List<Integer> group, List<int[]> sequences, MemorySegment states) {
    int longest = sequences.get(group.getLast()).length;
    var rows = new int[group.size()][];
    var lengths = new int[rows.length];
    for (int row = 0; row < rows.length; row++) {
      var sequence = sequences.get(group.get(row));
      rows[row] = Arrays.copyOf(sequence, longest);
      lengths[row] = sequence.length;
    }
    return new Batch(rows, lengths, states);
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
