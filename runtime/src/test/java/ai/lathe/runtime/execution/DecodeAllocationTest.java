package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Progress;
import com.sun.management.ThreadMXBean;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Writing a token allocates nothing on Java's heap, on no thread that computes. */
class DecodeAllocationTest {

  /** Compiled code allocates less than interpreted: vectors are objects until then. */
  private static final int WARM = 400;

  private static final int MEASURED = 64;

  @TempDir static Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"scalar"})
  void aTokenAllocatesNothing(String kernels) {
    var location = EmbeddedModel.extract(folder.resolve("model")).directory().toString();
    try (var checkpoint = Checkpoints.open(location);
        var workers = new Workers(2);
        var decoder =
            Decoder.load(checkpoint, Providers.choose(kernels), workers, 8, Progress.NONE)) {
      var writer = new Writer(decoder);
      writer.write(WARM);
      var threads = computing();
      var before = allocated(threads);
      writer.write(MEASURED);
      var after = allocated(threads);
      for (int i = 0; i < threads.length; i++) {
        assertThat(after[i] - before[i]).as("bytes of thread " + threads[i]).isZero();
      }
    }
  }

  /** Greedy, on one sequence, which begins anew where its context is full. */
  private static final class Writer {
    private final Decoder decoder;
    private final Batch batch = new Batch();
    private final int[] token = {1};
    private final int vocabulary;
    private Sequence sequence;

    Writer(Decoder decoder) {
      this.decoder = decoder;
      this.vocabulary = decoder.config().vocabulary();
      this.sequence = decoder.newSequence(decoder.config().context());
    }

    void write(int tokens) {
      for (int i = 0; i < tokens; i++) {
        if (sequence.length() == decoder.config().context()) {
          sequence.truncate(0);
        }
        decoder.forward(batch.clear().add(sequence, token, 0, 1, Wanted.LAST));
        token[0] = best(decoder.logits(0, 1));
      }
    }

    private int best(MemorySegment logits) {
      int best = 0;
      for (int i = 1; i < vocabulary; i++) {
        if (logits.getAtIndex(ValueLayout.JAVA_FLOAT, i)
            > logits.getAtIndex(ValueLayout.JAVA_FLOAT, best)) {
          best = i;
        }
      }
      return best;
    }
  }

  /** This thread and the workers. */
  private static long[] computing() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(
            thread ->
                thread == Thread.currentThread() || thread.getName().startsWith("lathe-worker"))
        .mapToLong(Thread::threadId)
        .toArray();
  }

  private static long[] allocated(long[] threads) {
    var bean = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    var bytes = new long[threads.length];
    // Asked once before, so that the asking itself is not counted.
    for (int round = 0; round < 2; round++) {
      for (int i = 0; i < threads.length; i++) {
        bytes[i] = bean.getThreadAllocatedBytes(threads[i]);
      }
    }
    return Arrays.copyOf(bytes, bytes.length);
  }
}
