package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.checkpoint.CheckpointWriters;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Sum;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model of sparse and composite weights: written, opened, inspected, converted. */
class SparseModelTest {

  private static final Path STORIES = SharedData.file("models/stories260K");

  @TempDir private static Path folder;

  /** Blocks 0 to 3 sparse in four ways, block 4 sparse with something of low rank beside. */
  @BeforeAll
  static void write() {
    try (var source = Checkpoints.open(STORIES.toString())) {
      var weights = new LinkedHashMap<Address, LinearWeight>();
      var encodings = new LinkedHashMap<Address, Encoding>();
      for (var address : source.addresses()) {
        if (!address.isVector(source.architecture())) {
          var weight = sparse(source.matrix(address), address.block());
          weights.put(address, weight);
          encodings.put(address, weight.encoding());
        }
      }
      write(source, weights, encodings);
    }
  }

  private static void write(
      Checkpoint source, Map<Address, LinearWeight> weights, Map<Address, Encoding> encodings) {
    var plan = CheckpointWriters.huggingFace(folder.resolve("sparse"), source, encodings);
    try (var writer = plan.create()) {
      for (var address : source.addresses()) {
        if (weights.containsKey(address)) {
          writer.write(address, weights.get(address));
        } else {
          writer.write(address, source.vector(address).orElseThrow());
        }
      }
      writer.finish();
    }
  }

  private static LinearWeight sparse(LinearWeight weight, int block) {
    if (block == Address.OUTSIDE) {
      return weight;
    }
    var labels = List.of("unstructured", "2:4", "4x1", "1:4", "2:4");
    var pattern = Pattern.parse(labels.get(block));
    var matrix = Matrix.zeros(weight.rows(), weight.columns());
    for (int row = 0; row < weight.rows(); row++) {
      for (int j = 0; j < weight.columns(); j++) {
        boolean keep =
            switch (pattern) {
              case Pattern.Unstructured() -> (row + j) % 3 == 0;
              case Pattern.SemiStructured(int kept, int of) -> (row + j) % of < kept;
              case Pattern.Blocks(int high, _) -> (row / high + j) % 2 == 0;
            };
        matrix.values()[row * weight.columns() + j] = keep ? 1 : 0;
      }
    }
    var kept = Sparse.of(weight, Mask.of(matrix), pattern);
    if (block < 4) {
      return kept;
    }
    var u = new float[weight.rows()];
    var v = new float[weight.columns()];
    java.util.Arrays.fill(u, 0.125f);
    java.util.Arrays.fill(v, 0.5f);
    return new Sum(
        List.of(
            kept,
            Product.lowRank(
                Dense.of(new Matrix(u.length, 1, u)), Dense.of(new Matrix(1, v.length, v)))));
  }

  private static String path(String name) {
    return folder.resolve(name).toString();
  }

  @Test
  void whatIsOpenedIsWhatWasWritten() {
    try (var source = Checkpoints.open(STORIES.toString());
        var written = Checkpoints.open(path("sparse"))) {
      assertThat(written.format()).isEqualTo("safetensors (lathe mixed-precision)");
      for (var address : source.addresses()) {
        if (!address.isVector(source.architecture())) {
          var expected = sparse(source.matrix(address), address.block());
          var found = written.matrix(address);
          assertThat(found.encoding()).isEqualTo(expected.encoding());
          assertThat(found.decode().values()).isEqualTo(expected.decode().values());
        }
      }
    }
  }

  @Test
  void inspectTellsTheZerosOfEveryLayer() {
    var json = Invocation.of("inspect", path("sparse"), "--json").json();
    long zeros = 0;
    for (var tensor : json.get("tensors")) {
      if (tensor.path("pattern").isTextual()) {
        zeros += tensor.get("zeros").asLong();
      }
      if (tensor.get("name").asText().equals("model.layers.1.mlp.up_proj")) {
        assertThat(tensor.get("pattern").asText()).isEqualTo("2:4");
        assertThat(tensor.get("zeros").asLong()).isEqualTo(172 * 64 / 2);
      }
    }
    assertThat(json.get("zeros").asLong()).isEqualTo(zeros);
    assertThat(json.get("sparsity").asDouble()).isBetween(0.5, 0.65);
    var text = Invocation.of("inspect", path("sparse"), "--tensors").out();
    assertThat(text)
        .containsPattern("model.layers.3.mlp.up_proj +\\[172, 64\\] +1:4 F32 +[0-9,]+ +75.00 %")
        .containsPattern("sparsity +[0-9,]+ of 226,560 weights are zero");
    assertThat(Invocation.of("inspect", STORIES.toString()).out()).doesNotContain("zeros");
    assertThat(Invocation.of("inspect", STORIES.toString(), "--zeros").out())
        .containsPattern("sparsity +[0-9,]+ of 259,328 weights are zero");
  }

  @Test
  void aFileWithoutMasksHasTheZerosAsValues() {
    var exact = Invocation.of("convert", path("sparse"), "-o", path("sparse.gguf"));
    assertThat(exact.code()).isZero();
    assertThat(exact.err()).contains("zeros of 28 sparse matrices are written out as values");
    try (var sparse = Checkpoints.open(path("sparse"));
        var dense = Checkpoints.open(path("sparse.gguf"))) {
      for (var address : sparse.addresses()) {
        if (!address.isVector(sparse.architecture())) {
          assertThat(dense.matrix(address)).isInstanceOf(Dense.class);
          assertThat(dense.matrix(address).decode().values())
              .isEqualTo(sparse.matrix(address).decode().values());
        }
      }
    }
    var rounded = Invocation.of("convert", path("sparse"), "-o", path("q.gguf"), "--type", "Q4_1");
    assertThat(rounded.err()).contains("Q4_1 cannot hold zero exactly");
  }
}
