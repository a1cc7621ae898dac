package ai.lathe.compress.transform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.transform.RotatedStream.Rotation;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.CheckpointWriters;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.util.HashMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Changes of a whole model that leave its function as it was. */
class RotationTest {

  @TempDir static Path folder;

  @Test
  void fusedNormsLeaveTheFunctionAsItWas() {
    try (var model = embedded()) {
      var fused = new FusedNorms(model);
      SameFunction.check(model, fused);
      assertThat(fused.vector(Address.weight(0, Role.ATTENTION_NORM)).orElseThrow().toFloats())
          .containsOnly(1);
      assertThat(fused.config().tiedEmbeddings()).isFalse();
    }
  }

  @ParameterizedTest
  @EnumSource(Rotation.class)
  void rotationsLeaveTheFunctionAsItWas(Rotation rotation) {
    try (var model = embedded()) {
      var rotated = RotatedStream.of(model, rotation, 3);
      SameFunction.check(model, rotated);
      var before = model.matrix(Address.weight(0, Role.UP)).decode().values();
      var after = rotated.matrix(Address.weight(0, Role.UP)).decode().values();
      assertThat(after).isNotEqualTo(before);
      // Another seed is another rotation, the same seed the same.
      var up = Address.weight(0, Role.UP);
      assertThat(RotatedStream.of(model, rotation, 3).matrix(up).decode().values())
          .isEqualTo(after);
      assertThat(RotatedStream.of(model, rotation, 4).matrix(up).decode().values())
          .isNotEqualTo(after);
    }
  }

  @ParameterizedTest
  @EnumSource(Rotation.class)
  void aTrainedModelOfAnotherMakerToo(Rotation rotation) {
    try (var model = stories()) {
      SameFunction.check(model, new FusedNorms(model));
      SameFunction.check(model, RotatedStream.of(model, rotation, 1));
    }
  }

  /** Biases, norms of heads, experts and their router. */
  @ParameterizedTest
  @ValueSource(strings = {"qwen2", "qwen3", "mixtral"})
  void everyKindOfBlockKeepsItsFunction(String name) {
    try (var model = Checkpoints.open(SameFunction.golden(name).toString())) {
      SameFunction.check(model, RotatedStream.of(model, Rotation.RANDOM, 2));
    }
  }

  @Test
  void whatWasWrittenIsTheSameFunction() {
    var target = folder.resolve("rotated");
    try (var model = embedded()) {
      var rotated = RotatedStream.of(model, Rotation.HADAMARD, 1);
      var encodings = new HashMap<Address, Encoding>();
      for (var address : rotated.addresses()) {
        if (!address.isVector(rotated.architecture())) {
          encodings.put(address, new Encoding.Plain(DType.F32));
        }
      }
      try (var writer = CheckpointWriters.huggingFace(target, rotated, encodings).create()) {
        for (var address : rotated.addresses()) {
          if (encodings.containsKey(address)) {
            writer.write(address, rotated.matrix(address));
          } else {
            writer.write(address, rotated.vector(address).orElseThrow());
          }
        }
        writer.finish();
      }
      try (var written = Checkpoints.open(target.toString())) {
        assertThat(written.config().tiedEmbeddings()).isFalse();
        SameFunction.check(model, written);
      }
    }
  }

  @Test
  void normsThatTheResidualSumReadsCannotBeFused() {
    try (var model = Checkpoints.open(SameFunction.golden("bert").toString())) {
      assertThatThrownBy(() -> RotatedStream.of(model, Rotation.RANDOM, 0))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("the norms of bert cannot be fused: only RMS norms");
    }
  }

  private static Checkpoint embedded() {
    return Checkpoints.open(
        EmbeddedModel.extract(folder.resolve("embedded")).directory().toString());
  }

  private static Checkpoint stories() {
    var directory = SharedData.file("models/stories260K");
    return Checkpoints.open(directory.toString());
  }
}
