package ai.lathe.runtime.kernel.attention;

import ai.lathe.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;

/** One sequence of random queries, keys and values, its pages, and attention by the book. */
final class AttentionCase {

  final AttentionShape shape;
  final KeyValueLayout layout;
  final int length;
  final float[] queries;
  final float[] keys;
  final float[] values;
  final MemorySegment[] pages;
  final int[] table;
  final Heads queryHeads;
  private final Map<Integer, double[]> expected = new HashMap<>();

  AttentionCase(AttentionShape shape, DType type, int length, long seed) {
    this.shape = shape;
    this.length = length;
    var random = new Random(seed);
    layout = new FloatKeyValues(type, shape.keyValueHeads(), shape.keySize(), shape.valueSize());
    queries = random(random, length * shape.heads() * shape.keySize(), 1);
    keys = random(random, length * shape.keyValueHeads() * shape.keySize(), 1);
    values = random(random, length * shape.keyValueHeads() * shape.valueSize(), 1);
    int count = Math.ceilDiv(length, KeyValueLayout.POSITIONS);
    pages = new MemorySegment[count + 3];
    table = new int[count];
    for (int i = 0; i < count; i++) {
      // What was never stored must not matter: here it is NaN.
      table[i] = count + 2 - i;
      pages[table[i]] = Arena.ofAuto().allocate(layout.bytes(), 64).fill((byte) 0xff);
    }
    var keyHeads = heads(keys, shape.keyValueHeads(), shape.keySize());
    var valueHeads = heads(values, shape.keyValueHeads(), shape.valueSize());
    for (int j = 0; j < length; ) {
      int in = j % KeyValueLayout.POSITIONS;
      int run =
          Math.min(1 + random.nextInt(40), Math.min(length - j, KeyValueLayout.POSITIONS - in));
      for (int h = 0; h < shape.keyValueHeads(); h++) {
        layout.store(
            keyHeads, valueHeads, j, run, h, pages[table[j / KeyValueLayout.POSITIONS]], in);
      }
      j += run;
    }
    queryHeads = heads(queries, shape.heads(), shape.keySize());
  }

  private static float[] random(Random random, int n, double scale) {
    var values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) (scale * random.nextGaussian());
    }
    return values;
  }

  /** Tokens one after the other with a gap between them, and between heads. */
  private Heads heads(float[] values, int count, int size) {
    int head = size + 3;
    int token = count * head + 5;
    var memory = Arena.ofAuto().allocate(4L * (7 + length * token), 64);
    var heads = new Heads(memory, 7, token, head, count);
    for (int t = 0; t < length; t++) {
      for (int h = 0; h < count; h++) {
        MemorySegment.copy(
            values,
            (t * count + h) * size,
            memory,
            ValueLayout.JAVA_FLOAT,
            4 * heads.at(t, h),
            size);
      }
    }
    return heads;
  }

  AttentionTask task(int head, int token, int tokens) {
    var task = new AttentionTask();
    task.queries = queryHeads;
    task.row = token;
    task.position = token;
    task.tokens = tokens;
    task.length = length;
    task.head = head;
    task.from = 0;
    task.to = length;
    task.pages = pages;
    task.table = table;
    return task;
  }

  /** All tokens by one kernel, so many at a time; {@code [length, heads * value size]}. */
  float[] run(AttentionKernel kernel, int step) {
    var out = new float[length * shape.heads() * shape.valueSize()];
    var memory = Arena.ofAuto().allocate(4L * out.length, 64);
    for (int head = 0; head < shape.keyValueHeads(); head++) {
      for (int t = 0; t < length; t += step) {
        var task = task(head, t, Math.min(step, length - t));
        task.out = memory;
        kernel.attend(task);
      }
    }
    MemorySegment.copy(memory, ValueLayout.JAVA_FLOAT, 0, out, 0, out.length);
    return out;
  }

  private double[] expected(int token, int head) {
    return expected.computeIfAbsent(token * shape.heads() + head, _ -> formula(token, head));
  }

  /** In double, on keys and values as the pages hold them. */
  private double[] formula(int token, int head) {
    int size = shape.keySize();
    int valueSize = shape.valueSize();
    int keyHead = head / (shape.heads() / shape.keyValueHeads());
    int from = shape.causal() ? Math.max(0, token + 1 - shape.window()) : 0;
    if (shape.window() == Integer.MAX_VALUE) {
      from = 0;
    }
    int to = shape.causal() ? token + 1 : length;
    var weights = new double[to];
    double max = Double.NEGATIVE_INFINITY;
    for (int j = from; j < to; j++) {
      double s = 0;
      for (int i = 0; i < size; i++) {
        s +=
            (double) queries[(token * shape.heads() + head) * size + i]
                * held(keys[(j * shape.keyValueHeads() + keyHead) * size + i]);
      }
      s *= shape.scale();
      weights[j] = shape.cap() == 0 ? s : shape.cap() * Math.tanh(s / shape.cap());
      max = Math.max(max, weights[j]);
    }
    double sum = 0;
    for (int j = from; j < to; j++) {
      weights[j] = Math.exp(weights[j] - max);
      sum += weights[j];
    }
    var mix = new double[valueSize];
    for (int j = from; j < to; j++) {
      for (int i = 0; i < valueSize; i++) {
        int at = (j * shape.keyValueHeads() + keyHead) * valueSize + i;
        mix[i] += weights[j] / sum * held(values[at]);
      }
    }
    return mix;
  }

  private float held(float value) {
    return switch (((FloatKeyValues) layout).type()) {
      case F16 -> Float.float16ToFloat(Float.floatToFloat16(value));
      case BF16 -> {
        int bits = Float.floatToRawIntBits(value);
        yield Float.intBitsToFloat((bits + 0x7fff + (bits >>> 16 & 1)) & 0xffff0000);
      }
      default -> value;
    };
  }

  /** The largest error against the formula, of the values' standard deviation, which is 1. */
  double error(float[] out) {
    double error = 0;
    int size = shape.valueSize();
    for (int t = 0; t < length; t++) {
      for (int h = 0; h < shape.heads(); h++) {
        var expected = expected(t, h);
        for (int i = 0; i < size; i++) {
          double difference = Math.abs(expected[i] - out[(t * shape.heads() + h) * size + i]);
          if (Double.isNaN(difference)) {
            return difference;
          }
          error = Math.max(error, difference);
        }
      }
    }
    return error;
  }

  @Override
  public String toString() {
    return shape + " " + layout.label() + " " + length + " " + Arrays.toString(table);
  }
}
