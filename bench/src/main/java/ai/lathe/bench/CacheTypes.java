package ai.lathe.bench;

import ai.lathe.eval.Divergence;
import ai.lathe.eval.data.TextData;
import ai.lathe.eval.data.Windows;
import ai.lathe.model.LanguageModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.execution.KvCache;
import ai.lathe.runtime.execution.RuntimeModel;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.TorchModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * What the type of keys and values costs: {@code tools/bench CacheTypes MODEL TEXT SEQUENCE-LENGTH
 * COUNT} runs the first COUNT windows of a text with each, and compares logits with the torch
 * executor's: the largest difference over the largest logit, and the KL divergence.
 */
public final class CacheTypes {

  private CacheTypes() {}

  public static void main(String[] arguments) throws IOException {
    if (arguments.length != 4) {
      System.err.println("usage: CacheTypes MODEL TEXT SEQUENCE-LENGTH COUNT");
      System.exit(2);
    }
    int length = Integer.parseInt(arguments[2]);
    try (var checkpoint = Checkpoints.open(arguments[0]);
        var workers = new Workers(2);
        var torch = TorchModel.of(checkpoint)) {
      var tokenizer =
          checkpoint
              .tokenizer()
              .orElseThrow(() -> new LatheException(arguments[0] + " has no tokenizer"));
      var all = Windows.evaluation(TextData.open(Path.of(arguments[1])), tokenizer, length);
      var windows =
          all.tokens().subList(0, Math.min(Integer.parseInt(arguments[3]), all.tokens().size()));
      for (var type : List.of(DType.F32, DType.F16, DType.BF16)) {
        var settings = KvCache.Settings.DEFAULT.of(type);
        var kernels = new VectorProvider();
        int tokens = Decoder.BATCH_TOKENS;
        try (var model =
            new RuntimeModel(
                Decoder.load(checkpoint, kernels, workers, tokens, settings, Progress.NONE))) {
          double error = 0;
          for (var window : windows) {
            error = Math.max(error, error(model, torch, window));
          }
          var divergence = Divergence.measure(model, torch, windows, Progress.NONE);
          System.out.printf(
              "%-5s largest error %.2g of the largest logit, KL %.2g, top-1 %.4f, %,d bytes for %d"
                  + " positions%n",
              type,
              error,
              divergence.kl().mean(),
              divergence.top1(),
              KvCache.bytes(checkpoint.config(), type, length, tokens),
              length);
        }
      }
    }
  }

  private static double error(LanguageModel model, LanguageModel reference, int[] window) {
    var ours = logits(model, window);
    var theirs = logits(reference, window);
    double error = 0;
    double largest = 0;
    for (int i = 0; i < ours.length; i++) {
      error = Math.max(error, Math.abs(ours[i] - theirs[i]));
      largest = Math.max(largest, Math.abs(theirs[i]));
    }
    return error / largest;
  }

  private static float[] logits(LanguageModel model, int[] window) {
    var rows = new float[window.length * model.vocabularySize()];
    try (var logits = model.forward(window)) {
      logits.rows(0, window.length, rows);
    }
    return rows;
  }
}
