package ai.lathe.compress.factorization.module;

import ai.lathe.compress.layer.RandomLayers;
import ai.lathe.format.Json;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The embedded Llama in blocks twice as wide that compute the same: every width can be halved, by
 * those who find out which half does nothing.
 *
 * <ul>
 *   <li>The feed-forward's features stand in the place of even ones; odd ones are always zero,
 *       though the last matrix has weights for them.
 *   <li>Rotary pair {@code i} is pair {@code 2 i}, which in a head of twice the size has the same
 *       frequency; the others are zero. Queries are larger, as scores are divided by more.
 *   <li>Values have as many zeros beside them and are reflected together; the output's columns
 *       likewise.
 * </ul>
 */
final class WidenedModel {

  private WidenedModel() {}

  /** In float32. */
  static Path write(Path directory) throws IOException {
    var embedded = EmbeddedModel.extract(directory);
    var weights = directory.resolve("model.safetensors");
    try (var narrow = Checkpoints.open(embedded.directory())) {
      var config = narrow.config();
      var tensors = new LinkedHashMap<String, Tensor>();
      for (var address : narrow.addresses()) {
        var name = narrow.name(address) + ".weight";
        if (address.isVector(narrow.architecture())) {
          var vector = narrow.vector(address).orElseThrow().toFloats();
          tensors.put(name, Tensor.ofFloats(vector, vector.length));
        } else {
          var matrix = wide(narrow, address);
          tensors.put(name, Tensor.ofFloats(matrix.values(), matrix.rows(), matrix.columns()));
        }
      }
      var infos = new ArrayList<TensorInfo>();
      tensors.forEach(
          (name, tensor) -> infos.add(new TensorInfo(name, tensor.dtype(), tensor.shape())));
      var part = SafetensorsPlan.single("part", infos, Map.of("format", "pt"));
      try (var writer = SafetensorsWriter.create(directory, part)) {
        tensors.forEach(writer::write);
        writer.finish();
      }
      var json = config.huggingFace().deepCopy();
      json.put("head_dim", 2 * config.headSize())
          .put("intermediate_size", 2 * config.feedForward());
      Files.write(directory.resolve("config.json"), Json.print(json.put("torch_dtype", "float32")));
    }
    Files.delete(weights);
    Files.move(directory.resolve("part"), weights);
    return directory;
  }

  private static Matrix wide(Checkpoint narrow, Address address) {
    var matrix = narrow.matrix(address).decode();
    int head = narrow.config().headSize();
    return switch (address.role()) {
      case GATE -> filled(spread(matrix), 1);
      case UP -> spread(matrix);
      case DOWN -> transposed(filled(spread(transposed(matrix)), 1));
      case QUERY -> scaled(pairs(matrix, head), Math.sqrt(2));
      case KEY -> pairs(matrix, head);
      case VALUE -> reflected(padded(matrix, head), 2 * head);
      case ATTENTION_OUTPUT ->
          transposed(reflected(filled(padded(transposed(matrix), head), head), 2 * head));
      default -> matrix;
    };
  }

  /** Row {@code i} becomes row {@code 2 i}; the others are zero. */
  private static Matrix spread(Matrix matrix) {
    var wide = Matrix.zeros(2 * matrix.rows(), matrix.columns());
    for (int i = 0; i < matrix.rows(); i++) {
      copy(matrix, i, wide, 2 * i);
    }
    return wide;
  }

  /** Each head's pairs in the place of even ones. */
  private static Matrix pairs(Matrix matrix, int head) {
    var wide = Matrix.zeros(2 * matrix.rows(), matrix.columns());
    for (int i = 0; i < matrix.rows(); i++) {
      int feature = i % head;
      int half = feature / (head / 2);
      copy(matrix, i, wide, i / head * 2 * head + half * head + 2 * (feature % (head / 2)));
    }
    return wide;
  }

  /** As many rows of zeros behind each run of rows. */
  private static Matrix padded(Matrix matrix, int run) {
    var wide = Matrix.zeros(2 * matrix.rows(), matrix.columns());
    for (int i = 0; i < matrix.rows(); i++) {
      copy(matrix, i, wide, i / run * 2 * run + i % run);
    }
    return wide;
  }

  /** Something as large as the others in the rows that are zero, of every second run. */
  private static Matrix filled(Matrix wide, int run) {
    double mean = Math.sqrt(2 * Features.energy(wide) / wide.values().length);
    var noise = scaled(RandomLayers.gaussian(wide.rows(), wide.columns(), 9), mean);
    for (int i = 0; i < wide.rows(); i++) {
      if (i / run % 2 == 1) {
        copy(noise, i, wide, i);
      }
    }
    return wide;
  }

  /** Each head's rows {@code x} become {@code x - 2 u (u^T x)}. */
  private static Matrix reflected(Matrix matrix, int head) {
    var u = RandomLayers.gaussian(head, 1, 10).values();
    double length = 0;
    for (float value : u) {
      length += (double) value * value;
    }
    var reflected = matrix.copy();
    for (int first = 0; first < matrix.rows(); first += head) {
      for (int j = 0; j < matrix.columns(); j++) {
        double inner = 0;
        for (int i = 0; i < head; i++) {
          inner += (double) u[i] * matrix.at(first + i, j);
        }
        for (int i = 0; i < head; i++) {
          double value = matrix.at(first + i, j) - 2 * u[i] * inner / length;
          reflected.set(first + i, j, (float) value);
        }
      }
    }
    return reflected;
  }

  private static Matrix scaled(Matrix matrix, double factor) {
    for (int i = 0; i < matrix.values().length; i++) {
      matrix.values()[i] *= (float) factor;
    }
    return matrix;
  }

  private static Matrix transposed(Matrix matrix) {
    var transposed = Matrix.zeros(matrix.columns(), matrix.rows());
    for (int i = 0; i < matrix.rows(); i++) {
      for (int j = 0; j < matrix.columns(); j++) {
        transposed.set(j, i, matrix.at(i, j));
      }
    }
    return transposed;
  }

  private static void copy(Matrix from, int row, Matrix to, int target) {
    int columns = from.columns();
    System.arraycopy(from.values(), row * columns, to.values(), target * columns, columns);
  }
}
