package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.Solution;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Parallel;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Codes and codebooks of one layer for the least {@code tr((W - Q) H (W - Q)^T)}: what VPTQ and
 * AQLM have in common. Codebooks begin as k-means of the weights, each of what the ones before
 * leave; codes as a pass with error feedback. Then the two halves take turns, and neither ever
 * raises the loss:
 *
 * <ul>
 *   <li>{@link #fit}: codebooks and scales, codes as they are;
 *   <li>{@link #codes}: codes, codebooks as they are. Coordinate descent stays where no single
 *       block can do better, so a second search begins anew with error feedback; as rows of blocks
 *       do not depend on each other, each keeps the better of both.
 * </ul>
 */
final class CodebookSearch {

  /** {@link #improve} ends where a round lowers the loss by less than this share (AQLM's 1e-2). */
  private static final double GAIN = 1e-2;

  /** Steps of conjugate gradients a round; the next round goes on from there. */
  static final int STEPS = 20;

  private final CodebookEffort effort;
  private final Matrix w;
  private final Matrix h;
  private final InverseFactor factor;

  /** Columns of blocks in the order of the pass with error feedback. */
  private final int[] order;

  private final List<String> notes = new ArrayList<>();
  private final BlockCodes codes;
  private final CodebookFit fit;

  CodebookSearch(Encoding.Codebooks encoding, Matrix weight, Matrix gram, CodebookEffort effort) {
    this.effort = effort;
    codes = new BlockCodes(encoding, weight.rows(), weight.columns());
    // A block's inputs stay together, so only blocks of one input can be taken in another order.
    boolean free = encoding.inGroup() == 1;
    var found = InverseFactor.of(gram, free, effort.dampening());
    notes.addAll(found.notes());
    if (found.upper().isEmpty()) {
      notes.add("codebooks are fitted to the weights alone");
      gram = identity(weight.columns());
      found = InverseFactor.of(gram, free, 0);
    }
    factor = found;
    order = free ? factor.order() : IntStream.range(0, codes.across).toArray();
    w = codes.transposed(weight);
    for (int dead : factor.dead()) {
      java.util.Arrays.fill(w.values(), dead * codes.out, (dead + 1) * codes.out, 0);
    }
    h = normalised(gram, effort.dampening());
    fit = new CodebookFit(codes, w, h);
  }

  private static Matrix identity(int n) {
    var identity = Matrix.zeros(n, n);
    for (int j = 0; j < n; j++) {
      identity.set(j, j, 1);
    }
    return identity;
  }

  /** {@code H} with damping, of mean diagonal 1 before it. */
  private static Matrix normalised(Matrix gram, double dampening) {
    int n = gram.rows();
    double trace = 0;
    for (int j = 0; j < n; j++) {
      trace += gram.at(j, j);
    }
    float factor = (float) (n / trace);
    var h = Matrix.zeros(n, n);
    for (int i = 0; i < h.values().length; i++) {
      h.values()[i] = factor * gram.values()[i];
    }
    // Without any, blocks of inputs that are always alike would have no factor.
    float damping = (float) Math.max(dampening, 1e-6);
    for (int j = 0; j < n; j++) {
      h.set(j, j, h.at(j, j) + damping);
    }
    return h;
  }

  /** What is being searched, as it is now. */
  BlockCodes state() {
    return codes;
  }

  /** {@code H (W - Q)^T [in, out]}. */
  Matrix pending() {
    return fit.pending();
  }

  /** {@code H} as the loss has it, {@code [in, in]}. */
  Matrix gram() {
    return h;
  }

  double loss() {
    return fit.loss();
  }

  /**
   * Codebooks by k-means, a block's weight in it being the mean of its inputs' {@code H_jj}; codes
   * are the nearest entries. (Weights {@code 1 / U_jj^2}, which is what an error costs once later
   * inputs have made up for it, were up to 2 % better on most layers of the MiniLM encoder and 50 %
   * worse on those whose inputs differ most in size.)
   */
  void initialise() {
    int size = codes.encoding.blockSize();
    int tall = codes.encoding.outGroup();
    int wide = codes.encoding.inGroup();
    if (codes.encoding.scaled()) {
      scaleByNorm();
    }
    int blocks = codes.across * codes.down;
    var x = new float[blocks * size];
    var weights = new float[blocks];
    for (int block = 0; block < codes.across; block++) {
      float importance = 0;
      for (int b = 0; b < wide; b++) {
        importance += h.at(block * wide + b, block * wide + b) / wide;
      }
      for (int row = 0; row < codes.down; row++) {
        int index = block * codes.down + row;
        float scale = codes.scales[row];
        weights[index] = importance * scale * scale;
        for (int a = 0; a < tall; a++) {
          for (int b = 0; b < wide; b++) {
            float value = w.values()[(block * wide + b) * codes.out + row * tall + a];
            x[index * size + a * wide + b] = value / scale;
          }
        }
      }
    }
    var nearest = new int[blocks];
    int count = codes.books.length;
    for (int m = 0; m < count; m++) {
      int entries = 1 << codes.encoding.bits().get(m);
      codes.books[m] =
          KMeans.fit(x, weights, size, entries, effort.iterations(), effort.seed() + m);
      KMeans.assign(x, size, codes.books[m], entries, nearest);
      for (int i = 0; i < blocks; i++) {
        codes.codes[i * count + m] = nearest[i];
        for (int d = 0; d < size; d++) {
          x[i * size + d] -= codes.books[m][nearest[i] * size + d];
        }
      }
    }
  }

  /** A row's root mean square; 1 where it is all zeros. */
  private void scaleByNorm() {
    int tall = codes.encoding.outGroup();
    for (int row = 0; row < codes.down; row++) {
      double sum = 0;
      for (int j = 0; j < codes.columns; j++) {
        for (int i = row * tall; i < (row + 1) * tall; i++) {
          double value = w.values()[j * codes.out + i];
          sum += value * value;
        }
      }
      codes.scales[row] = sum > 0 ? (float) Math.sqrt(sum / codes.columns / tall) : 1;
    }
  }

  /** All codes from scratch, with error feedback. */
  void feedback() {
    feedback(codes);
  }

  private void feedback(BlockCodes target) {
    Matrix ordered;
    if (codes.encoding.inGroup() == 1) {
      ordered = Matrix.zeros(codes.columns, codes.out);
      for (int j = 0; j < order.length; j++) {
        System.arraycopy(
            w.values(), order[j] * codes.out, ordered.values(), j * codes.out, codes.out);
      }
    } else {
      ordered = w.copy();
    }
    new BlockPass(target, effort.beam()).feedback(ordered, factor.upper().orElseThrow(), order);
  }

  /** Codebooks, by so many steps of conjugate gradients, then scales. */
  void fit(int steps) {
    fit.books(steps);
    if (codes.encoding.scaled()) {
      fit.scales();
    }
  }

  /** Codes of each row of blocks: the better of what is there, improved, and a new beginning. */
  void codes() {
    var anew = codes.copy();
    feedback(anew);
    var other = new CodebookFit(anew, w, h);
    new BlockPass(anew, effort.beam()).descent(h, other.pending());
    descent();
    var present = fit.losses();
    var rival = other.losses();
    Parallel.forEach(
        codes.down,
        row -> {
          if (rival[row] < present[row]) {
            codes.takeRow(row, anew);
          }
        });
  }

  /** Coordinate descent over all blocks, once. */
  void descent() {
    new BlockPass(codes, effort.beam()).descent(h, fit.pending());
  }

  /** Rounds of both halves, until they gain little. */
  void improve() {
    double before = loss();
    for (int round = 0; round < effort.rounds(); round++) {
      fit(STEPS);
      codes();
      double now = loss();
      if (before - now < GAIN * now) {
        break;
      }
      before = now;
    }
  }

  /** The weight, with codebooks and scales as they are stored and codes that suit them. */
  Solution finish() {
    codes.roundToHalf();
    descent();
    return new Solution(codes.finish(), notes);
  }
}
