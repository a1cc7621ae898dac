package ai.lathe.compress.calibration;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.format.imatrix.ImatrixFile;
import ai.lathe.format.imatrix.ImportanceMatrix;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Site;
import ai.lathe.model.checkpoint.GgufNames;
import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/** An importance matrix that was checked against the model it is to be used on. */
public final class Importance {

  /** Of a model that nobody has an importance matrix of. */
  public static final Importance NONE = new Importance(null, Map.of(), Map.of());

  private final Architecture architecture;
  private final Map<String, Tensor> tensors;
  private final Map<String, ImportanceMatrix.Entry> entries;

  /** What the model keeps in one tensor of a GGUF file. */
  private record Tensor(int block, int matrices, int columns) {

    Tensor another() {
      return new Tensor(block, matrices + 1, columns);
    }

    @Override
    public String toString() {
      return matrices == 1
          ? columns + " inputs"
          : "%d matrices of %d inputs".formatted(matrices, columns);
    }
  }

  private Importance(
      Architecture architecture,
      Map<String, Tensor> tensors,
      Map<String, ImportanceMatrix.Entry> entries) {
    this.architecture = architecture;
    this.tensors = tensors;
    this.entries = entries;
  }

  /**
   * Reads an importance matrix for a model.
   *
   * @throws LatheException where it is of another model: it has a tensor that the model lacks, or
   *     of another shape, or nothing at all of one of the model's blocks
   */
  public static Importance read(Path file, Checkpoint model) {
    var entries = ImatrixFile.read(file).entries();
    var tensors = tensors(model);
    entries.forEach(
        (name, entry) -> {
          var tensor = tensors.get(name);
          if (tensor == null) {
            throw another(file, "it has '%s', which this model has not".formatted(name));
          }
          if (!entry.fits(tensor.matrices(), tensor.columns())) {
            var shape = "'%s' has %d sums of squares and %d counts there, and %s here";
            int sums = entry.sums().length;
            throw another(file, shape.formatted(name, sums, entry.counts().length, tensor));
          }
        });
    int[] covered = entries.keySet().stream().mapToInt(name -> tensors.get(name).block()).toArray();
    for (int block = 0; block < model.config().blocks(); block++) {
      int n = block;
      if (IntStream.of(covered).noneMatch(has -> has == n)) {
        throw another(file, "it has nothing of this model's block " + n);
      }
    }
    return new Importance(model.architecture(), tensors, entries);
  }

  private static LatheException another(Path file, String why) {
    return new LatheException(file + " is the importance matrix of another model: " + why);
  }

  private static Map<String, Tensor> tensors(Checkpoint model) {
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var address : model.addresses()) {
      if (!address.isVector(model.architecture())) {
        int columns = model.matrix(address).columns();
        tensors.merge(
            GgufNames.of(model.architecture(), address),
            new Tensor(address.block(), 1, columns),
            (known, _) -> known.another());
      }
    }
    return tensors;
  }

  /**
   * Mean squares of a matrix's inputs, {@code [in]}; empty where nothing is known of them, and
   * outside blocks.
   */
  public Optional<float[]> of(Address address) {
    if (entries.isEmpty() || address.block() == Address.OUTSIDE) {
      return Optional.empty();
    }
    var name = GgufNames.of(architecture, address);
    var entry = Optional.ofNullable(entries.get(name));
    return entry.flatMap(
        known -> known.meanSquares(Math.max(0, address.expert()), tensors.get(name).matrices()));
  }

  /** Statistics of inputs, in which squared norms are those that are known from here. */
  public Map<Site, LayerStatistics> in(
      Iterable<Address> addresses, Map<Site, LayerStatistics> statistics) {
    if (entries.isEmpty()) {
      return statistics;
    }
    var all = new HashMap<>(statistics);
    for (var address : addresses) {
      var site = address.reads(architecture);
      var known = of(address);
      if (site.isPresent() && known.isPresent()) {
        var measured = statistics.getOrDefault(site.get(), LayerStatistics.NONE);
        all.put(site.get(), measured.withSquaredNorm(known.get()));
      }
    }
    return all;
  }
}
