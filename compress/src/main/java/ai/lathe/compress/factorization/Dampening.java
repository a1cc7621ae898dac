package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;

/** How much methods distrust a Gram matrix of few tokens, see {@link LayerStatistics#damped}. */
final class Dampening {

  static final String KEY = "dampening";

  /** Near the best for every number of tokens in docs/figures.md. */
  static final double USUAL = 1;

  private Dampening() {}

  static double of(Settings given) {
    double dampening = given.number(KEY, USUAL);
    if (!(dampening >= 0 && dampening <= 1000)) {
      throw new LatheException(
          "dampening is from 0 (none) to 1000 tokens for each input (1 is usual), not "
              + dampening);
    }
    return dampening;
  }
}
