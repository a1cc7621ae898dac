package ai.lathe.runtime.measure;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Address;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Progress;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DecoderTimesTest {

  @Test
  void bothPhasesTellWhatEveryMatrixTakesOfAToken(@TempDir Path folder) {
    var location = EmbeddedModel.extract(folder).directory();
    try (var checkpoint = Checkpoints.open(location);
        var workers = new Workers(1);
        var decoder = Decoder.load(checkpoint, Providers.choose(), workers, 32, Progress.NONE)) {
      var matrices = new HashSet<Address>();
      checkpoint.addresses().stream()
          .filter(address -> address.block() != Address.OUTSIDE)
          .filter(address -> !address.isVector(checkpoint.architecture()))
          .forEach(matrices::add);
      var times = DecoderTimes.measure(decoder, 64, 8, 1);
      for (var phase : List.of(times.prefill(), times.decode())) {
        assertThat(phase.matrices().keySet()).containsAll(matrices);
        assertThat(phase.matrices().values()).allSatisfy(took -> assertThat(took).isPositive());
        double sum = phase.matrices().values().stream().mapToDouble(Double::doubleValue).sum();
        assertThat(phase.token()).isGreaterThan(sum);
      }
      // A prompt needs logits of no token, what is written those of each.
      assertThat(times.decode().matrices()).containsKey(Address.weight(Role.OUTPUT));
    }
  }
}
