package ai.lathe.runtime.kernel.scalar;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.AttentionTask;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import java.util.Arrays;

/** Attention as it is written down, one query head after the other, in double. */
public final class ScalarAttention implements AttentionKernel {

  private static final int POSITIONS = KeyValueLayout.POSITIONS;

  private final AttentionShape shape;
  private final KeyValueLayout layout;
  private final int keySize;
  private final int valueSize;
  private final float[] panel;
  private final double[] mixed;
  private double[] scores = new double[POSITIONS];

  public ScalarAttention(AttentionShape shape, KeyValueLayout layout) {
    this.shape = shape;
    this.layout = layout;
    this.keySize = shape.keySize();
    this.valueSize = shape.valueSize();
    this.panel = new float[POSITIONS * Math.max(keySize, valueSize)];
    this.mixed = new double[valueSize];
  }

  @Override
  public void attend(AttentionTask task) {
    for (int t = 0; t < task.tokens; t++) {
      int from = Math.max(task.from, shape.from(task.position + t));
      int to = Math.min(task.to, shape.to(task.position + t, task.length));
      for (int g = 0; g < shape.group(); g++) {
        attend(task, t, g, from, to);
      }
    }
  }

  /** One query head of one token; positions {@code [from, to)}, which may be none. */
  private void attend(AttentionTask task, int t, int g, int from, int to) {
    if (to - from > scores.length) {
      scores = new double[Math.max(to - from, 2 * scores.length)];
    }
    double max = Double.NEGATIVE_INFINITY;
    long query = task.queries.at(task.row + t, task.head * shape.group() + g);
    for (int j = from; j < to; j++) {
      if (j == from || j % POSITIONS == 0) {
        task.keys(layout, j / POSITIONS, panel);
      }
      double product = 0;
      for (int i = 0; i < keySize; i++) {
        double key = panel[i * POSITIONS + j % POSITIONS];
        product += task.queries.memory().getAtIndex(JAVA_FLOAT, query + i) * key;
      }
      double score = product * shape.scale();
      scores[j - from] = shape.cap() == 0 ? score : shape.cap() * Math.tanh(score / shape.cap());
      max = Math.max(max, scores[j - from]);
    }
    Arrays.fill(mixed, 0);
    double sum = 0;
    for (int j = from; j < to; j++) {
      int in = j % POSITIONS;
      if (j == from || in == 0) {
        int end = Math.min(POSITIONS, to - j + in);
        task.values(layout, j / POSITIONS, in, end, panel, valueSize);
      }
      double weight = Math.exp(scores[j - from] - max);
      sum += weight;
      for (int i = 0; i < valueSize; i++) {
        mixed[i] += weight * panel[in * valueSize + i];
      }
    }
    if (task.part == null) {
      long row = (long) (task.row + t) * shape.heads() + task.head * shape.group() + g;
      for (int i = 0; i < valueSize; i++) {
        task.out.setAtIndex(JAVA_FLOAT, row * valueSize + i, (float) (mixed[i] / sum));
      }
    } else {
      int at = task.partAt + (t * shape.group() + g) * (valueSize + 2);
      for (int i = 0; i < valueSize; i++) {
        task.part[at + i] = (float) mixed[i];
      }
      task.part[at + valueSize] = (float) (max / Math.log(2));
      task.part[at + valueSize + 1] = (float) sum;
    }
  }
}
