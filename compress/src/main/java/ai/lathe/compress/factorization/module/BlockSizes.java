package ai.lathe.compress.factorization.module;

import ai.lathe.compress.factorization.module.ModeGpt.Modules;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Role;
import java.util.ArrayList;
import java.util.List;

/**
 * Widths that remove a given share of weights, counted one by one.
 *
 * <p>All modules of a block lose the same share. Heads are rounded to the nearest multiple of their
 * step, the feed-forward takes up what is missing or too much, and what a block still owes goes to
 * the next. So at least as much goes as is asked for, and at most one step of a feed-forward more,
 * or where that stays whole, of the last block's heads.
 *
 * <p>A step is a power of two that divides the whole width, at most 1/32 of a feed-forward (and
 * 128) and 1/8 of a head (and 16): so rows stay whole groups of codes and whole vectors wherever
 * the model's own were.
 *
 * @param whole widths before
 * @param weights of a block's linear layers before
 * @param feedForwardUnit weights that a feature of the feed-forward takes; 0 where it stays whole
 * @param headUnit weights that a feature of all query and key heads takes, and likewise one of all
 *     value heads; 0 where they stay whole
 * @param paired features of query and key heads stay or go in pairs
 */
record BlockSizes(
    BlockWidths whole, long weights, long feedForwardUnit, long headUnit, boolean paired) {

  private static final int FEED_FORWARD_STEPS = 32;
  private static final int LARGEST_FEED_FORWARD_STEP = 128;
  private static final int HEAD_STEPS = 8;
  private static final int LARGEST_HEAD_STEP = 16;

  static BlockSizes of(Architecture architecture, ModelConfig config, int block, Modules modules) {
    int matrices = architecture.has(Role.GATE) ? 3 : 2;
    long heads = config.heads() + config.keyValueHeads();
    return new BlockSizes(
        config.widths(block),
        config.weights(architecture, block),
        modules.feedForward() ? (long) matrices * config.hidden() : 0,
        modules.attention() ? heads * config.hidden() : 0,
        config.rope(block) != null);
  }

  /** Weights that widths can take away at all. */
  long narrowable() {
    return feedForwardUnit * whole.feedForward() + headUnit * (whole.keySize() + whole.valueSize());
  }

  /** Weights that these widths take away. */
  long removed(BlockWidths widths) {
    return feedForwardUnit * (whole.feedForward() - widths.feedForward())
        + headUnit * (whole.keySize() - widths.keySize())
        + headUnit * (whole.valueSize() - widths.valueSize());
  }

  /**
   * @param blocks all of the model
   * @param shares of each block's weights that go
   */
  static List<BlockWidths> widths(List<BlockSizes> blocks, double[] shares) {
    var widths = new ArrayList<BlockWidths>();
    double owed = 0;
    for (int b = 0; b < shares.length; b++) {
      var sizes = blocks.get(b);
      owed += shares[b] * sizes.weights;
      boolean last = b == shares.length - 1;
      var narrow = sizes.widths(owed, last);
      widths.add(narrow);
      owed -= sizes.removed(narrow);
    }
    return widths;
  }

  private BlockWidths widths(double remove, boolean last) {
    double kept = Math.clamp(1 - remove / narrowable(), 0, 1);
    int key = whole.keySize();
    int value = whole.valueSize();
    boolean exactly = last && feedForwardUnit == 0;
    if (headUnit > 0) {
      int step = step(whole.keySize(), HEAD_STEPS, LARGEST_HEAD_STEP);
      int pairs = paired ? Math.max(2, step) : step;
      value = rounded(kept * value, step, value, exactly);
      key = rounded(kept * key, pairs, key, exactly);
    }
    int features = whole.feedForward();
    if (feedForwardUnit > 0) {
      double rest = remove - headUnit * (whole.keySize() - key + whole.valueSize() - value);
      int step = step(features, FEED_FORWARD_STEPS, LARGEST_FEED_FORWARD_STEP);
      features = rounded(features - rest / feedForwardUnit, step, features, true);
    }
    return new BlockWidths(features, key, value);
  }

  /** The nearest multiple, or the next below; at least one step. */
  private static int rounded(double width, int step, int whole, boolean down) {
    // What is whole but for the rounding of sums is whole.
    double steps = width / step + (down ? 1e-9 : 0.5);
    return Math.clamp((long) Math.floor(steps) * step, step, whole);
  }

  /** A power of two that divides {@code whole}. */
  private static int step(int whole, int steps, int largest) {
    int divisor = Integer.lowestOneBit(whole);
    int most = Integer.highestOneBit(Math.max(1, whole / steps));
    return Math.min(divisor, Math.min(most, largest));
  }
}
