package ai.lathe.cli;

import ai.lathe.torch.Torch;
import java.io.IOException;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;

/** Loads LibTorch and measures what calibration lives on: its products of matrices. */
final class TorchCheck {

  private static final int SIZE = 1024;
  private static final int ROUNDS = 8;

  private TorchCheck() {}

  static Check run() {
    try {
      return Check.ok(
          "torch",
          "LibTorch %s, %d threads, %s GFLOP/s float32"
              .formatted(
                  Loader.getVersion("org.bytedeco", "pytorch"),
                  Torch.threads(),
                  Sizes.number(rate() / 1e9, 0)));
    } catch (LinkageError | IOException | RuntimeException e) {
      return Check.fail(
          "torch",
          "LibTorch does not load: " + e.getMessage(),
          "on Linux it needs glibc 2.28 or newer and libgomp; elsewhere see README.md, 'platforms'");
    }
  }

  /** Operations a second, the best of several rounds. */
  private static double rate() {
    try (var _ = new PointerScope()) {
      var a = Torch.ofFloats(new float[SIZE * SIZE], SIZE, SIZE);
      var b = Torch.ofFloats(new float[SIZE * SIZE], SIZE, SIZE);
      double best = 0;
      for (int round = 0; round < ROUNDS; round++) {
        long start = System.nanoTime();
        torch.mm(a, b);
        best = Math.max(best, 2.0 * SIZE * SIZE * SIZE * 1e9 / (System.nanoTime() - start));
      }
      return best;
    }
  }
}
