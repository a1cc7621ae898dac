package ai.lathe.compress.factorization.module;

import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.journal.Leftovers;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.TorchBlock;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * Makes the blocks of a model narrower, each by what the blocks of the original model do on
 * calibration text: nothing that a narrower block changes is seen by those after it. The text runs
 * through the model twice, for widths need every block's influence first. One block and its
 * statistics are in memory at a time.
 */
public final class Narrowing implements AutoCloseable {

  /** Matrices {@code [I, I]} in float64 that leverage scores need at once. */
  private static final int COPIES = 5;

  private final StagedBlocks staged;
  private final Checkpoint model;
  private final double[] influence;
  private final List<BlockSizes> before;
  private final List<BlockWidths> widths;

  /**
   * @param sequences to calibrate on
   * @param states for them, contents yet to come; closed after use
   * @param directory for what is done already
   * @param resume whether what is there of the same model, data and settings is used as it is
   */
  public record Request(
      ModeGpt method,
      List<int[]> sequences,
      Supplier<HiddenStates> states,
      Path directory,
      boolean resume) {}

  private Narrowing(
      StagedBlocks staged,
      Checkpoint model,
      double[] influence,
      List<BlockSizes> before,
      List<BlockWidths> widths) {
    this.staged = staged;
    this.model = model;
    this.influence = influence;
    this.before = before;
    this.widths = widths;
  }

  /** Where narrower blocks are until an artifact is complete. */
  public static Path directoryFor(Path artifact) {
    return artifact.resolveSibling(artifact.getFileName() + ".narrowed");
  }

  /** Bytes that a block takes at most while it is made narrower, hidden states left out. */
  public static long bytes(Checkpoint source, ModeGpt method) {
    long features = source.config().feedForward();
    long most =
        IntStream.range(0, source.config().blocks())
            .mapToLong(block -> source.config().weights(source.architecture(), block))
            .max()
            .orElse(0);
    long inverse = method.modules().feedForward() ? COPIES * Double.BYTES * features * features : 0;
    return 2 * Float.BYTES * most + BlockMoments.bytes(source, method.modules()) + inverse;
  }

  /**
   * @param source stays open as long as the result
   * @param messages gets what is out of the ordinary
   */
  public static Narrowing of(
      Checkpoint source, Request request, Progress progress, Consumer<String> messages) {
    var method = request.method();
    method.require(source);
    int blocks = source.config().blocks();
    var before =
        IntStream.range(0, blocks)
            .mapToObj(
                b -> BlockSizes.of(source.architecture(), source.config(), b, method.modules()))
            .toList();
    // What cannot be removed is told before anything is computed.
    allocated(before, new double[blocks], method);
    if (!request.resume()) {
      Leftovers.delete(request.directory());
    }
    var fingerprint =
        Fingerprint.ofText(
            String.join(
                "\n",
                Fingerprint.of(source),
                method.toString(),
                Fingerprint.of(request.sequences())));
    var staged = new StagedBlocks(request.directory(), fingerprint);
    var earlier = staged.influence(blocks);
    var influence =
        earlier.isPresent() ? earlier.get() : measured(source, request, staged, progress);
    var widths = BlockSizes.widths(before, allocated(before, influence, method));
    narrow(source, request, staged, widths, progress, messages);
    return new Narrowing(staged, staged.model(source, widths), influence, before, widths);
  }

  private static double[] allocated(List<BlockSizes> blocks, double[] influence, ModeGpt method) {
    return Allocation.shares(
        influence,
        blocks.stream().mapToLong(BlockSizes::weights).toArray(),
        blocks.stream().mapToLong(BlockSizes::narrowable).toArray(),
        method.removed().share(),
        method.temperature());
  }

  private static double[] measured(
      Checkpoint source, Request request, StagedBlocks staged, Progress progress) {
    try (var states = request.states().get();
        var task =
            progress.start(
                "influence of blocks", (long) states.batches() * source.config().blocks())) {
      Layerwise.embed(source, states);
      var influence = Influence.of(source, states, task);
      staged.put(influence);
      return influence;
    }
  }

  private static void narrow(
      Checkpoint source,
      Request request,
      StagedBlocks staged,
      List<BlockWidths> widths,
      Progress progress,
      Consumer<String> messages) {
    int blocks = widths.size();
    var missing = IntStream.range(0, blocks).filter(block -> !staged.has(block)).toArray();
    if (missing.length < blocks) {
      messages.accept(
          "note: %d of %d blocks are used as an earlier run left them in %s"
              .formatted(blocks - missing.length, blocks, request.directory()));
    }
    if (missing.length == 0) {
      return;
    }
    try (var states = request.states().get();
        var task =
            progress.start(
                "narrowing blocks", 2L * states.batches() * (missing[missing.length - 1] + 1))) {
      Layerwise.embed(source, states);
      for (int block = 0; block <= missing[missing.length - 1]; block++) {
        task.note("block " + block);
        if (Arrays.binarySearch(missing, block) < 0) {
          try (var done = TorchBlock.load(source, block);
              var _ = new NoGradGuard()) {
            Layerwise.advance(done, states, task);
          }
        } else {
          var method = request.method();
          var moments = BlockMoments.collect(source, block, method.modules(), states, task);
          staged.put(
              block, NarrowBlock.of(source, block, widths.get(block), moments, method.ridge()));
        }
        // Its matrices take about as long as its statistics.
        task.advance(states.batches());
        source.release(block);
      }
    }
  }

  /** With narrower blocks; open as long as this. */
  public Checkpoint model() {
    return model;
  }

  /**
   * One block.
   *
   * @param influence one less the mean cosine of what goes in and what comes out, of the original
   * @param whole its widths before
   * @param widths its widths
   * @param weights of its linear layers before
   * @param removed of these
   */
  public record Block(
      double influence, BlockWidths whole, BlockWidths widths, long weights, long removed) {}

  public List<Block> blocks() {
    return IntStream.range(0, widths.size())
        .mapToObj(
            b ->
                new Block(
                    influence[b],
                    before.get(b).whole(),
                    widths.get(b),
                    before.get(b).weights(),
                    before.get(b).removed(widths.get(b))))
        .toList();
  }

  /** Share of the weights of all blocks' linear layers that is gone. */
  public double removed() {
    var blocks = blocks();
    return (double) blocks.stream().mapToLong(Block::removed).sum()
        / blocks.stream().mapToLong(Block::weights).sum();
  }

  @Override
  public void close() {
    staged.close();
  }
}
