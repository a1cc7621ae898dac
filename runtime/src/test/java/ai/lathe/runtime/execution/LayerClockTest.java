package ai.lathe.runtime.execution;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Address;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Progress;
import java.nio.file.Path;
import java.util.HashSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LayerClockTest {

  @TempDir Path folder;

  @Test
  void everyMatrixOfAStepIsCountedAndNoneWhereNobodyAsked() {
    var location = EmbeddedModel.extract(folder.resolve("model")).directory();
    try (var checkpoint = Checkpoints.open(location);
        var workers = new Workers(1);
        var decoder = Decoder.load(checkpoint, Providers.choose(), workers, 4, Progress.NONE);
        var sequence = decoder.newSequence(4)) {
      var matrices = new HashSet<Address>();
      checkpoint.addresses().stream()
          .filter(address -> !address.isVector(checkpoint.architecture()))
          .forEach(matrices::add);
      matrices.remove(Address.weight(Role.TOKEN_EMBEDDING));
      matrices.add(Address.weight(Role.OUTPUT));
      int[] tokens = {5, 6, 7};

      step(decoder, sequence, tokens, 0);
      assertThat(decoder.clock().stop()).isEmpty();

      decoder.clock().start();
      step(decoder, sequence, tokens, 1);
      var times = decoder.clock().stop();
      assertThat(times.keySet()).isEqualTo(matrices);
      assertThat(times.values()).allSatisfy(nanoseconds -> assertThat(nanoseconds).isPositive());

      step(decoder, sequence, tokens, 2);
      assertThat(decoder.clock().stop()).isEqualTo(times);
    }
  }

  private static void step(Decoder decoder, Sequence sequence, int[] tokens, int at) {
    decoder.forward(new Batch().clear().add(sequence, tokens, at, at + 1, Wanted.LAST));
    decoder.logits(0, 1);
  }
}
