package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Address;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code lathe convert} with the function kept and the weights changed. */
class ConvertRotateTest {

  @TempDir Path folder;

  @Test
  void aRotatedModelIsWrittenInFloat32WithItsOwnHead() {
    var result = convert("rotated", "--rotate", "hadamard", "--seed", "1");
    assertThat(result.code()).as(result.err()).isZero();
    try (var written = Checkpoints.open(folder.resolve("rotated").toString())) {
      assertThat(written.config().tiedEmbeddings()).isFalse();
      assertThat(written.addresses()).contains(Address.weight(Role.OUTPUT));
      assertThat(written.matrix(0, Role.UP).encoding()).isEqualTo(new Encoding.Plain(DType.F32));
      assertThat(written.vector(Address.weight(0, Role.ATTENTION_NORM)).orElseThrow().toFloats())
          .containsOnly(1);
    }
  }

  @Test
  void gainsAloneAreFusedInTheTypeAskedFor() {
    var result = convert("fused.gguf", "--fuse-norms", "--type", "F16");
    assertThat(result.code()).as(result.err()).isZero();
    try (var written = Checkpoints.open(folder.resolve("fused.gguf").toString())) {
      assertThat(written.config().tiedEmbeddings()).isFalse();
      assertThat(written.matrix(0, Role.UP).encoding()).isEqualTo(new Encoding.Plain(DType.F16));
      assertThat(written.vector(Address.weight(Role.OUTPUT_NORM)).orElseThrow().toFloats())
          .containsOnly(1);
    }
  }

  @Test
  void anUnknownRotationNamesTheNearest() {
    var result = convert("never", "--rotate=hadamrd");
    assertThat(result.code()).isNotZero();
    assertThat(result.err()).contains("unknown rotation 'hadamrd'; did you mean 'hadamard'?");
  }

  private Invocation convert(String name, String... options) {
    var model = EmbeddedModel.extract(folder.resolve("embedded")).directory().toString();
    var arguments = new String[options.length + 4];
    arguments[0] = "convert";
    arguments[1] = model;
    arguments[2] = "-o";
    arguments[3] = folder.resolve(name).toString();
    System.arraycopy(options, 0, arguments, 4, options.length);
    return Invocation.of(arguments);
  }
}
