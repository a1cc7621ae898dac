package ai.lathe.compress.measure;

import ai.lathe.model.Checkpoint;
import ai.lathe.model.Encoder;
import ai.lathe.model.LanguageModel;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import java.nio.file.Path;
import java.util.List;

/** Who runs a model that is measured. */
public interface Executor {

  /** Float32 on LibTorch, block by block, so that one block's weights are in memory. */
  Executor TORCH = Executor::layerwise;

  /** Tokens that run through a block at once. */
  int BATCH_TOKENS = 2048;

  /** Hidden states above this many bytes go to disk. */
  long STATES_IN_MEMORY = 1L << 30;

  /**
   * A model made ready to run over these sequences, and perhaps over no others.
   *
   * @param model stays open as long
   * @param what to call the work where it is shown
   */
  Run run(Checkpoint model, List<int[]> sequences, Progress progress, String what);

  /** A model that can be run; what it gives is closed before it. */
  interface Run extends AutoCloseable {

    LanguageModel languageModel();

    Encoder encoder();

    @Override
    void close();
  }

  /**
   * States for sequences that run through one block after another.
   *
   * @param directory takes a file of those that are beyond {@link #STATES_IN_MEMORY}
   */
  static HiddenStates states(Checkpoint model, List<int[]> sequences, Path directory) {
    return new HiddenStates(
        sequences, model.config().hidden(), BATCH_TOKENS, STATES_IN_MEMORY, directory);
  }

  private static Run layerwise(
      Checkpoint model, List<int[]> sequences, Progress progress, String what) {
    var spill = Path.of(System.getProperty("java.io.tmpdir"));
    var states = states(model, sequences, spill);
    try (var task = progress.start(what, (long) states.batches() * model.config().blocks())) {
      var layerwise = new Layerwise(model, states, task);
      return new Run() {
        @Override
        public LanguageModel languageModel() {
          return layerwise.languageModel();
        }

        @Override
        public Encoder encoder() {
          return layerwise.encoder();
        }

        @Override
        public void close() {
          layerwise.close();
        }
      };
    } catch (RuntimeException e) {
      states.close();
      throw e;
    }
  }
}
