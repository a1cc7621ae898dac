package ai.lathe.model.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Address;
import ai.lathe.model.SharedData;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.DType;
import java.nio.file.Files;
import org.junit.jupiter.api.Test;

class StoriesTest {

  @Test
  void opensARealModel() throws Exception {
    var directory = SharedData.get("models/stories260K");
    try (var model = Checkpoints.open(directory)) {
      assertThat(model.architecture().name()).isEqualTo("llama");
      assertThat(model.config().headSize()).isEqualTo(8);
      assertThat(model.config().keyValueHeads()).isEqualTo(4);
      assertThat(model.config().tiedEmbeddings()).isTrue();
      assertThat(model.config().dtype()).isEqualTo(DType.F32);
      assertThat(model.config().beginToken()).hasValue(1);
      // 1 embedding, 5 blocks of 2 norms and 7 linears, 1 norm
      assertThat(model.addresses()).hasSize(47);
      assertThat(model.addresses().getFirst()).isEqualTo(Address.weight(Role.TOKEN_EMBEDDING));
      assertThat(model.addresses().getLast()).isEqualTo(Address.weight(Role.OUTPUT_NORM));
      assertThat(model.matrix(4, Role.KEY).rows()).isEqualTo(32);
      assertThat(model.matrix(Address.weight(Role.OUTPUT)).rows()).isEqualTo(512);
      assertThat(model.name(Address.weight(3, Role.DOWN)))
          .isEqualTo("model.layers.3.mlp.down_proj");
      long files = 0;
      try (var list = Files.list(directory)) {
        for (var file : list.toList()) {
          files += Files.size(file);
        }
      }
      assertThat(model.bytes()).isEqualTo(files);
    }
  }

  @Test
  void tokenizes() {
    try (var model = Checkpoints.open(SharedData.get("models/stories260K"))) {
      var tokenizer = model.tokenizer().orElseThrow();
      assertThat(tokenizer.vocabularySize()).isEqualTo(512);
      assertThat(tokenizer.encode("Once upon a time")).containsExactly(1, 403, 407, 261, 378);
      assertThat(tokenizer.encodePlain("Once upon a time")).containsExactly(403, 407, 261, 378);
      assertThat(tokenizer.decode(new int[] {1, 403, 407, 261, 378})).isEqualTo("Once upon a time");
    }
  }
}
