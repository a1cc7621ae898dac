package ai.lathe.cli;

import ai.lathe.compress.measure.Executor;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.Encoder;
import ai.lathe.model.LanguageModel;
import ai.lathe.runtime.RuntimeOptions;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.execution.RuntimeEncoder;
import ai.lathe.runtime.execution.RuntimeModel;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.tensor.Progress;
import java.util.List;

/** Measures the code that serves: weights as they are stored, inputs rounded as its kernels do. */
record RuntimeExecutor(RuntimeOptions options) implements Executor {

  @Override
  public Run run(Checkpoint model, List<int[]> sequences, Progress progress, String what) {
    var workers = new Workers(options.threads());
    return new Run() {
      @Override
      public LanguageModel languageModel() {
        return new RuntimeModel(
            Decoder.load(model, options.provider(), workers, Decoder.BATCH_TOKENS, progress));
      }

      @Override
      public Encoder encoder() {
        return RuntimeEncoder.load(model, options.provider(), workers, progress);
      }

      @Override
      public void close() {
        workers.close();
      }
    };
  }
}
