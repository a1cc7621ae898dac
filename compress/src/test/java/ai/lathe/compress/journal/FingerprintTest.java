package ai.lathe.compress.journal;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.checkpoint.Checkpoints;
import org.junit.jupiter.api.Test;

class FingerprintTest {

  private static String of(Checkpoint source, ModelConfig config) {
    return Fingerprint.of(
        new CheckpointView(source) {
          @Override
          public ModelConfig config() {
            return config;
          }
        });
  }

  @Test
  void aModelIsWhatItsDescriptionSays() {
    try (var source = Checkpoints.open(EmbeddedModel.cached().directory())) {
      var config = source.config();
      assertThat(of(source, config)).isEqualTo(Fingerprint.of(source));
      var other = config.huggingFace().deepCopy().put("rms_norm_eps", 0.1);
      assertThat(of(source, config.describedBy(other))).isNotEqualTo(Fingerprint.of(source));
    }
  }

  @Test
  void numbersCountWhereNoDescriptionCameWithThem() {
    try (var source = Checkpoints.open(EmbeddedModel.cached().directory())) {
      var alone = source.config().describedBy(null);
      assertThat(alone.tiedEmbeddings()).isTrue();
      assertThat(of(source, alone.untied())).isNotEqualTo(of(source, alone));
    }
  }
}
