package ai.lathe.torch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/** Sequences of any lengths in batches of like length, which a model runs at once. */
public final class TokenBatches {

  private final List<int[]> sequences;
  private final List<Batch> batches = new ArrayList<>();
  private final Place[] places;
  private final Map<int[], Integer> indices = new IdentityHashMap<>();

  /**
   * One batch.
   *
   * @param tokens rows of equal length, short sequences filled up with token 0
   * @param lengths real tokens of each row
   */
  private record Batch(int[][] tokens, int[] lengths) {}

  /**
   * Where a sequence went.
   *
   * @param length its tokens
   */
  record Place(int batch, int row, int length) {}

  /**
   * @param batchTokens about as many tokens a batch; at least one sequence
   */
  public TokenBatches(List<int[]> sequences, int batchTokens) {
    this.sequences = List.copyOf(sequences);
    places = new Place[sequences.size()];
    var order =
        IntStream.range(0, sequences.size())
            .boxed()
            .sorted(Comparator.comparingInt(i -> sequences.get(i).length))
            .toList();
    var group = new ArrayList<Integer>();
    for (int index : order) {
      long longest = sequences.get(index).length;
      if (!group.isEmpty() && (group.size() + 1) * longest > batchTokens) {
        close(group);
        group.clear();
      }
      group.add(index);
    }
    close(group);
    for (int i = 0; i < sequences.size(); i++) {
      indices.put(sequences.get(i), i);
    }
  }

  private void close(List<Integer> group) {
    int longest = sequences.get(group.getLast()).length;
    var rows = new int[group.size()][];
    var lengths = new int[rows.length];
    for (int row = 0; row < rows.length; row++) {
      var sequence = sequences.get(group.get(row));
      rows[row] = Arrays.copyOf(sequence, longest);
      lengths[row] = sequence.length;
      places[group.get(row)] = new Place(batches.size(), row, sequence.length);
    }
    batches.add(new Batch(rows, lengths));
  }

  /** As they were given. */
  public List<int[]> sequences() {
    return sequences;
  }

  /** How many batches there are. */
  public int count() {
    return batches.size();
  }

  /** Token ids of a batch, {@code [sequences, tokens]}. */
  public int[][] tokens(int batch) {
    return batches.get(batch).tokens();
  }

  /** Tokens of a batch, padding included. */
  long size(int batch) {
    var tokens = tokens(batch);
    return (long) tokens.length * tokens[0].length;
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

  Place place(int sequence) {
    return places[sequence];
  }

  /** The index of one of the very arrays that were given. */
  int index(int[] sequence) {
    var index = indices.get(sequence);
    if (index == null) {
      throw new IllegalArgumentException("a sequence that the model was not run over");
    }
    return index;
  }
}
