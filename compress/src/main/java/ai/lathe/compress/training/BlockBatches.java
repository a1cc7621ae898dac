package ai.lathe.compress.training;

import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Torch;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;

/**
 * Copies of some of a block's inputs, in batches of about one size: those that are trained on, and
 * one in {@link #APART} that is kept apart, to choose between start and result.
 */
public final class BlockBatches implements AutoCloseable {

  private static final int APART = 8;

  private final List<Batch> training = new ArrayList<>();
  private final List<Batch> validation = new ArrayList<>();

  /**
   * Some sequences.
   *
   * @param hidden the block's input, {@code [sequences, tokens, hidden]}
   * @param mask {@code [sequences, tokens]}, 1 for real tokens; null where all are
   */
  public record Batch(Tensor hidden, Tensor mask) {

    /** The squared error of an output, summed over real tokens. */
    public Tensor squared(Tensor output, Tensor target) {
      var difference = output.sub(target);
      var real = mask == null ? difference : difference.mul(mask.unsqueeze(-1));
      return real.square().sum();
    }
  }

  /** Some rows of a batch of {@link HiddenStates}. */
  private record Place(int batch, int row, int rows) {

    Tensor of(Tensor all) {
      return all.narrow(0, row, rows);
    }
  }

  /**
   * @param batchTokens about as many tokens a batch; at least one sequence
   * @param tokens that are trained on, at most; beyond the batch that goes over
   * @param seed of which sequences are taken, and which of them are kept apart
   */
  public BlockBatches(HiddenStates inputs, int batchTokens, long tokens, long seed) {
    var places = new ArrayList<Place>();
    for (int batch = 0; batch < inputs.batches(); batch++) {
      int sequences = inputs.tokens(batch).length;
      int step = Math.clamp(batchTokens / inputs.tokens(batch)[0].length, 1, sequences);
      for (int row = 0; row < sequences; row += step) {
        places.add(new Place(batch, row, Math.min(step, sequences - row)));
      }
    }
    Collections.shuffle(places, new Random(seed));
    int apart = Math.max(1, places.size() / APART);
    take(inputs, places.subList(0, apart), tokens / APART, validation);
    take(inputs, places.subList(apart, places.size()), tokens, training);
    if (training.isEmpty()) {
      training.addAll(validation);
    }
  }

  private static void take(HiddenStates inputs, List<Place> places, long most, List<Batch> into) {
    long tokens = 0;
    for (var place : places) {
      if (tokens < most) {
        into.add(
            new Batch(
                Torch.owned(() -> place.of(inputs.get(place.batch()))),
                Optional.ofNullable(inputs.padding(place.batch()))
                    .map(padding -> Torch.owned(() -> place.of(padding)))
                    .orElse(null)));
        tokens += (long) place.rows() * inputs.tokens(place.batch())[0].length;
      }
    }
  }

  public List<Batch> training() {
    return training;
  }

  public List<Batch> validation() {
    return validation;
  }

  /** Each batch once. */
  public List<Batch> all() {
    var all = new ArrayList<>(validation);
    if (!sameText()) {
      all.addAll(training);
    }
    return all;
  }

  /** Whether there is so little that training and validation are one. */
  public boolean sameText() {
    return training.getFirst() == validation.getFirst();
  }

  @Override
  public void close() {
    for (var batch : all()) {
      batch.hidden().close();
      if (batch.mask() != null) {
        batch.mask().close();
      }
    }
  }
}
