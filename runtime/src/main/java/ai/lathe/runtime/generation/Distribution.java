package ai.lathe.runtime.generation;

import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The next token's distribution while it is shaped: first logits, then weights, of which the cut
 * ones are 0. One object serves all tokens of all sequences of a thread, one after the other.
 *
 * <p>Every cut keeps the tokens that come first in the order of falling weight, then rising id.
 * What it needs is not the order but the last weight that is kept, which a radix selection finds in
 * a few passes, however many tokens are kept.
 */
public final class Distribution {

  /** Bits of a value's key that one pass of the selection decides. */
  private static final int DIGIT = 11;

  /** {@code e^-87}: weights below are 0, far less than a draw of 53 bits can hit. */
  private static final float LOWEST = -87;

  private static final float LOG2_E = 1.442695f;

  /** The leading bits of ln 2, so that small multiples are exact, and the rest. */
  private static final float LN2_HIGH = 0.693359375f;

  private static final float LN2_LOW = -2.12194440e-4f;

  private final float[] values;

  /** Where few tokens are left: which, in the order of their ids, and their values. */
  private final int[] ids;

  private final float[] few;

  /** How many; less than 0 where all are still there. */
  private int left;

  private final double[] histogram = new double[1 << DIGIT];
  private double total;

  public Distribution(int vocabulary) {
    values = new float[vocabulary];
    ids = new int[vocabulary];
    few = new float[vocabulary];
  }

  int size() {
    return values.length;
  }

  /**
   * Takes logits.
   *
   * @param at the first one's element in the segment
   * @throws LatheException where one is not finite
   */
  void load(MemorySegment logits, long at) {
    MemorySegment.copy(logits, ValueLayout.JAVA_FLOAT, at * Float.BYTES, values, 0, values.length);
    check();
  }

  private void check() {
    float largest = values[0];
    float smallest = values[0];
    for (int i = 0; i < values.length; i++) {
      largest = Math.max(largest, values[i]);
      smallest = Math.min(smallest, values[i]);
    }
    // Both are NaN where one value is.
    if (largest < Float.POSITIVE_INFINITY && smallest > Float.NEGATIVE_INFINITY) {
      return;
    }
    int bad = 0;
    while (Float.isFinite(values[bad])) {
      bad++;
    }
    throw new LatheException(
        "the model gives token %d the logit %s; a broken or wrongly read weight makes such numbers"
            .formatted(bad, values[bad]));
  }

  float logit(int token) {
    return values[token];
  }

  void set(int token, float logit) {
    values[token] = logit;
  }

  /** The most probable token, the lowest id among equals. */
  int best() {
    float largest = values[0];
    for (int i = 1; i < values.length; i++) {
      largest = Math.max(largest, values[i]);
    }
    int best = 0;
    while (values[best] != largest) {
      best++;
    }
    return best;
  }

  /** {@code log(sum(exp(logits)))}. */
  double logSum() {
    float largest = values[best()];
    double sum = 0;
    for (float logit : values) {
      sum += exp(Math.max(logit - largest, LOWEST));
    }
    return largest + Math.log(sum);
  }

  /**
   * The largest logits in falling order, the lowest id first among equals.
   *
   * @param logSum what is subtracted from each
   */
  List<Logprobs.Entry> top(int count, double logSum) {
    var top = new ArrayList<Logprobs.Entry>();
    int least = Math.min(count, values.length);
    float floor = Float.NEGATIVE_INFINITY;
    for (int token = 0; token < values.length && least > 0; token++) {
      if (top.size() == least && values[token] <= floor) {
        continue;
      }
      int place = top.size();
      while (place > 0 && values[top.get(place - 1).token()] < values[token]) {
        place--;
      }
      top.add(place, new Logprobs.Entry(token, values[token] - logSum));
      if (top.size() > least) {
        top.removeLast();
      }
      floor = values[top.getLast().token()];
    }
    return top;
  }

  /** From logits to weights. All but the best token have none at temperature 0. */
  void shape(Sampling sampling) {
    int best = best();
    float largest = values[best];
    if (largest == Float.NEGATIVE_INFINITY) {
      throw new LatheException("the bias forbids every token");
    }
    if (sampling.temperature() == 0) {
      Arrays.fill(values, 0);
      values[best] = 1;
      total = 1;
      ids[0] = best;
      few[0] = 1;
      left = 1;
      return;
    }
    left = -1;
    if (sampling.topK() > 0 && sampling.topK() < values.length) {
      selectFew(sampling.topK());
    }
    var weights = left < 0 ? values : few;
    int n = left < 0 ? values.length : left;
    weigh(weights, n, largest, (float) (1 / sampling.temperature()));
    if (sampling.topP() < 1) {
      keep(weights, n, sampling.topP() * sum(weights, n), /* byWeight= */ true, 0);
    }
    if (sampling.minP() > 0) {
      // The best token's weight is 1.
      float least = (float) sampling.minP();
      for (int i = 0; i < n; i++) {
        weights[i] = weights[i] < least ? 0 : weights[i];
      }
    }
    total = sum(weights, n);
    if (left >= 0) {
      Arrays.fill(values, 0);
      for (int i = 0; i < left; i++) {
        values[ids[i]] = few[i];
      }
    }
  }

  /** The largest values, by collecting what may be among them and thinning that out. */
  private void selectFew(int count) {
    int most = (int) Math.min(2L * count, values.length);
    float least = Float.NEGATIVE_INFINITY;
    left = 0;
    for (int i = 0; i < values.length; i++) {
      // A later token that equals the last one kept comes behind it.
      if (values[i] > least) {
        ids[left] = i;
        few[left++] = values[i];
        if (left == most) {
          least = thinOut(count);
        }
      }
    }
    thinOut(count);
  }

  /** Returns the least value that is kept. */
  private float thinOut(int count) {
    if (left <= count) {
      return Float.NEGATIVE_INFINITY;
    }
    float least = keep(few, left, count, /* byWeight= */ false, Float.NEGATIVE_INFINITY);
    int kept = 0;
    for (int i = 0; i < left; i++) {
      if (few[i] > Float.NEGATIVE_INFINITY) {
        ids[kept] = ids[i];
        few[kept++] = few[i];
      }
    }
    left = kept;
    return least;
  }

  private static void weigh(float[] weights, int n, float largest, float factor) {
    float nothing = exp(LOWEST);
    for (int i = 0; i < n; i++) {
      float x = Math.max((weights[i] - largest) * factor, LOWEST);
      weights[i] = Math.max(exp(x) - nothing, 0);
    }
  }

  private static double sum(float[] weights, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += weights[i];
    }
    return sum;
  }

  /**
   * Keeps the first in the order of falling value until their count or sum is {@code need}, at
   * least one; returns the last one's value.
   *
   * @param dropped what the others become
   */
  private float keep(float[] list, int n, double need, boolean byWeight, float dropped) {
    int prefix = 0;
    int known = 0;
    double above = 0;
    while (known < Integer.SIZE) {
      int bits = Math.min(DIGIT, Integer.SIZE - known);
      int shift = Integer.SIZE - known - bits;
      int mask = (1 << bits) - 1;
      Arrays.fill(histogram, 0);
      for (int i = 0; i < n; i++) {
        int key = key(list[i]);
        if (known == 0 || key >>> shift + bits == prefix) {
          histogram[key >>> shift & mask] += byWeight ? list[i] : 1;
        }
      }
      int digit = mask;
      int last = digit;
      while (digit > 0 && above + histogram[digit] < need) {
        above += histogram[digit];
        last = histogram[digit] > 0 ? digit : last;
        digit--;
      }
      // Rounding may leave the sum of all a little under the need: then the lowest one is last.
      if (histogram[digit] == 0) {
        digit = last;
        above -= histogram[digit];
      }
      prefix = prefix << bits | digit;
      known += bits;
    }
    float least = value(prefix);
    int equals = (int) Math.ceil((need - above) / (byWeight ? least : 1));
    equals = Math.max(equals, 1);
    for (int i = 0; i < n; i++) {
      if (list[i] < least || list[i] == least && --equals < 0) {
        list[i] = dropped;
      }
    }
    return least;
  }

  /** Orders floats as unsigned numbers. */
  private static int key(float value) {
    int bits = Float.floatToRawIntBits(value + 0f); // No negative zero.
    return bits ^ (bits >> 31 | 0x80000000);
  }

  private static float value(int key) {
    return Float.intBitsToFloat(key ^ (~key >> 31 | 0x80000000));
  }

  /** The probability of a token, after {@link #shape}. */
  double probability(int token) {
    return values[token] / total;
  }

  /** All of them. */
  void probabilities(float[] target) {
    for (int i = 0; i < values.length; i++) {
      target[i] = (float) (values[i] / total);
    }
  }

  /**
   * The token at a share of the weights, in the order of ids.
   *
   * @param uniform in {@code [0, 1)}
   */
  int draw(double uniform) {
    if (left < 0) {
      return draw(values, values.length, uniform * total);
    }
    int place = draw(few, left, uniform * total);
    return place < 0 ? place : ids[place];
  }

  private static int draw(float[] weights, int n, double rest) {
    int last = -1;
    for (int i = 0; i < n; i++) {
      if (weights[i] > 0) {
        last = i;
        rest -= weights[i];
        if (rest < 0) {
          return i;
        }
      }
    }
    return last;
  }

  /** {@code sum(min(p, q))}: how often a draw from {@code q} is accepted for one from this. */
  double overlap(float[] q) {
    double sum = 0;
    for (int i = 0; i < values.length; i++) {
      sum += Math.min((float) (values[i] / total), q[i]);
    }
    return sum;
  }

  /**
   * A token of {@code max(p - q, 0)}, scaled to sum up to 1: what is drawn where {@code q}'s token
   * was rejected. Leaves these as the weights; -1 where there is nothing beyond.
   */
  int drawBeyond(float[] q, double uniform) {
    double sum = 0;
    for (int i = 0; i < values.length; i++) {
      values[i] = Math.max((float) (values[i] / total) - q[i], 0);
      sum += values[i];
    }
    total = sum;
    left = -1;
    return draw(uniform);
  }

  /**
   * The exponential of {@link #LOWEST} to 0, to 2 units in the last place: {@code e^x = 2^k e^r}
   * with {@code |r| <= ln(2) / 2}, by Cephes' polynomial. The same operations on every machine.
   */
  private static float exp(float x) {
    int k = (int) (x * LOG2_E - 0.5f);
    float r = x - k * LN2_HIGH - k * LN2_LOW;
    float series = 1.9875691500E-4f;
    series = series * r + 1.3981999507E-3f;
    series = series * r + 8.3334519073E-3f;
    series = series * r + 4.1665795894E-2f;
    series = series * r + 1.6666665459E-1f;
    series = series * r + 5.0000001201E-1f;
    series = series * r * r + r + 1;
    return series * Float.intBitsToFloat(k + 127 << 23);
  }
}
