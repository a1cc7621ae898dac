package ai.lathe.compress.search;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Fitness;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.torch.HeldLinear;
import ai.lathe.torch.States;
import ai.lathe.torch.StitchedModel;
import ai.lathe.torch.TokenBatches;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * Runs candidates on LibTorch, each layer at the level that the allocation gives it, decoded as it
 * will be written. Layers are held by level and states by what precedes them, so that a candidate
 * costs the blocks after its first changed layer. Limits of memory are for all batches that are
 * open. For one thread at a time.
 */
public final class ModelFitness implements Fitness, AutoCloseable {

  /** No position of a shorter sequence has both a predecessor and a successor. */
  private static final int SHORTEST = 3;

  private final Checkpoint original;
  private final LevelStore store;
  private final FitnessSettings settings;
  private final List<int[]> sequences;
  private final Stages stages;
  private final LayerCache layers;
  private final StitchedModel model;
  private final StateCache states;
  private long logitRoom;
  private int batches;

  /**
   * @param original that the levels were made of; stays open as long as this, as the store does
   * @param sequences to measure on; nothing that the result is to be judged by later
   */
  public ModelFitness(
      Checkpoint original, LevelStore store, List<int[]> sequences, FitnessSettings settings) {
    this.original = original;
    this.store = store;
    this.settings = settings;
    this.sequences = List.copyOf(sequences);
    if (sequences.isEmpty()) {
      throw new LatheException("there is no text to measure allocations on");
    }
    int shortest = sequences.stream().mapToInt(sequence -> sequence.length).min().orElseThrow();
    if (decoder() && shortest < SHORTEST) {
      throw new LatheException(
          "a sequence to measure on has %d tokens; at least %d are needed"
              .formatted(shortest, SHORTEST));
    }
    stages = new Stages(store.table(), original);
    layers = new LayerCache(original, store, settings.precision(), settings.layerMemory());
    model = new StitchedModel(original, settings.precision());
    states = new StateCache(settings.stateMemory());
    logitRoom = settings.logitMemory();
  }

  @Override
  public String name() {
    return "%s %d %s on %s"
        .formatted(
            settings.objective(),
            settings.likeliest(),
            settings.precision(),
            Fingerprint.of(sequences));
  }

  @Override
  public long tokens() {
    return sequences.stream().mapToLong(sequence -> sequence.length).sum();
  }

  @Override
  public Batch draw(int tokens, RandomGenerator random) {
    if (tokens < SHORTEST) {
      throw new LatheException(
          "at least %d tokens are needed to measure on, not %d".formatted(SHORTEST, tokens));
    }
    var rest = new ArrayList<>(sequences);
    var drawn = new ArrayList<int[]>();
    int left = tokens;
    while (left >= SHORTEST && !rest.isEmpty()) {
      int index = random.nextInt(rest.size());
      var sequence = rest.set(index, rest.getLast());
      rest.removeLast();
      int length = Math.min(sequence.length, left);
      int after = left - length;
      if (after > 0 && after < SHORTEST && length >= 2 * SHORTEST) {
        length -= SHORTEST - after;
      }
      drawn.add(length == sequence.length ? sequence : Arrays.copyOf(sequence, length));
      left -= length;
    }
    return new TextBatch(this, batches++, drawn);
  }

  /** All of the text. */
  public Batch all() {
    return new TextBatch(this, batches++, sequences);
  }

  boolean decoder() {
    return original.architecture().kind() == ModelKind.DECODER;
  }

  Checkpoint original() {
    return original;
  }

  FitnessSettings settings() {
    return settings;
  }

  Stages stages() {
    return stages;
  }

  StitchedModel model() {
    return model;
  }

  /** States of all batches that are open. */
  StateCache states() {
    return states;
  }

  /** Whether the original's logits may take so many bytes more. */
  boolean reserveLogits(long bytes) {
    boolean fits = bytes <= logitRoom;
    logitRoom -= fits ? bytes : 0;
    return fits;
  }

  void releaseLogits(long bytes) {
    logitRoom += bytes;
  }

  /** Bytes of decoded layers held at the moment. */
  long layerBytes() {
    return layers.bytes();
  }

  /** One stage of an allocation. */
  States run(Allocation allocation, int stage, TokenBatches batches, States input) {
    if (stage == 0) {
      return model.embed(view(allocation), batches);
    }
    try {
      return model.forward(stage - 1, address -> layer(allocation, address), batches, input);
    } finally {
      layers.letGo();
      original.release(stage - 1);
      store.release(stage - 1);
    }
  }

  /** The head of an allocation; to be let go of. */
  HeldLinear head(Allocation allocation) {
    return layer(allocation, stages.head());
  }

  void letGo() {
    layers.letGo();
  }

  private HeldLinear layer(Allocation allocation, Address address) {
    return layers.get(address, stages.level(allocation, address));
  }

  /** The original with the embeddings that an allocation gives it. */
  private Checkpoint view(Allocation allocation) {
    return new CheckpointView(original) {
      @Override
      public LinearWeight matrix(Address address) {
        return address.block() == Address.OUTSIDE && address.role() != Role.OUTPUT
            ? layers.weight(address, stages.level(allocation, address))
            : source.matrix(address);
      }
    };
  }

  @Override
  public void close() {
    states.close();
    model.close();
    layers.close();
  }
}
