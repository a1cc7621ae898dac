package ai.lathe.compress.database;

import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.plan.Plan;
import ai.lathe.format.FormatException;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Tensor;
import ai.lathe.torch.gradient.OutputGradients;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The mean squares of gradients by the outputs of layers, kept beside the levels: a run that goes
 * on, or adds levels, weighs them alike.
 */
public final class FisherFile {

  static final String NAME = "fisher.safetensors";

  private static final String FINGERPRINT = "lathe.levels";

  /** Tokens that gradients are taken of: means over so many are within some percent. */
  private static final int TOKENS = 1 << 14;

  /** Of the tokens that the model draws. */
  private static final long SEED = 6;

  private FisherFile() {}

  /** By weight; read where they are there already, else computed and written. */
  static Map<Address, float[]> in(
      Path directory,
      String fingerprint,
      Checkpoint source,
      List<Plan.Entry> layers,
      List<int[]> sequences,
      Progress progress) {
    return get(directory.resolve(NAME), fingerprint, source, layers, sequences, progress);
  }

  /**
   * By weight; read where they are there already, else computed and written.
   *
   * @param path of the file; large intermediate results stand beside it for a while
   * @param fingerprint of model and text: a file of others is replaced
   * @param layers whose outputs are meant
   */
  public static Map<Address, float[]> get(
      Path path,
      String fingerprint,
      Checkpoint source,
      List<Plan.Entry> layers,
      List<int[]> sequences,
      Progress progress) {
    var directory = path.toAbsolutePath().getParent();
    if (Files.isRegularFile(path)) {
      try (var file = SafetensorsFile.open(path)) {
        if (fingerprint.equals(file.metadata().get(FINGERPRINT)) && holds(file, layers)) {
          return read(file, layers);
        }
      }
    }
    var squares =
        OutputGradients.of(
            source,
            first(sequences),
            SEED,
            Executor.BATCH_TOKENS,
            Executor.STATES_IN_MEMORY,
            directory,
            progress);
    var values = new HashMap<Address, float[]>();
    for (var layer : layers) {
      values.put(layer.address(), squares.getOrDefault(layer.address(), new float[layer.rows()]));
    }
    write(path, fingerprint, layers, values);
    return values;
  }

  /** Those that gradients are taken of. */
  static List<int[]> first(List<int[]> sequences) {
    var first = new ArrayList<int[]>();
    int tokens = 0;
    for (var sequence : sequences) {
      if (sequence.length >= 2 && tokens < TOKENS) {
        first.add(sequence);
        tokens += sequence.length;
      }
    }
    return first;
  }

  private static boolean holds(SafetensorsFile file, List<Plan.Entry> layers) {
    return layers.stream()
        .allMatch(
            layer ->
                file.names().contains(layer.name()) && file.info(layer.name()).equals(info(layer)));
  }

  private static TensorInfo info(Plan.Entry layer) {
    return new TensorInfo(layer.name(), DType.F32, new long[] {layer.rows()});
  }

  private static Map<Address, float[]> read(SafetensorsFile file, List<Plan.Entry> layers) {
    var values = new HashMap<Address, float[]>();
    layers.forEach(layer -> values.put(layer.address(), file.tensor(layer.name()).toFloats()));
    return values;
  }

  private static void write(
      Path path, String fingerprint, List<Plan.Entry> layers, Map<Address, float[]> values) {
    var part = path.resolveSibling(path.getFileName() + ".part");
    var infos = layers.stream().map(FisherFile::info).toList();
    var plan =
        SafetensorsPlan.single(
            part.getFileName().toString(), infos, Map.of(FINGERPRINT, fingerprint));
    try (var writer = SafetensorsWriter.create(path.toAbsolutePath().getParent(), plan)) {
      for (var layer : layers) {
        var own = values.get(layer.address());
        writer.write(layer.name(), Tensor.ofFloats(own, own.length));
      }
      writer.finish();
    }
    try {
      Files.move(part, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw FormatException.io("cannot write " + path, e);
    }
  }
}
