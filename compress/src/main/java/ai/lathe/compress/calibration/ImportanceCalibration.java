package ai.lathe.compress.calibration;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.format.imatrix.ImportanceMatrix;
import ai.lathe.format.imatrix.ImportanceMatrix.Entry;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Site;
import ai.lathe.model.checkpoint.GgufNames;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.TorchBlock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Runs text through a model as it is, and sums the squares of what every matrix in its blocks
 * reads: the importance matrix that llama.cpp's llama-imatrix computes.
 */
public final class ImportanceCalibration {

  private final Checkpoint model;
  private final Map<String, Entry> entries = new LinkedHashMap<>();

  private ImportanceCalibration(Checkpoint model) {
    this.model = model;
  }

  /**
   * @param states the sequences, their contents yet to be embedded
   * @param length tokens of a sequence
   * @param dataset name of the text
   */
  public static ImportanceMatrix collect(
      Checkpoint model,
      HiddenStates states,
      int sequences,
      int length,
      String dataset,
      Progress progress) {
    var calibration = new ImportanceCalibration(model);
    int blocks = model.config().blocks();
    try (var task =
        progress.start(
            "reading the inputs of " + blocks + " blocks", (long) states.batches() * blocks)) {
      Layerwise.embed(model, states);
      for (int n = 0; n < blocks; n++) {
        task.note("block " + n);
        calibration.add(n, states, task);
        model.release(n);
      }
    }
    return new ImportanceMatrix(calibration.entries, List.of(dataset), sequences, length);
  }

  private void add(int block, HiddenStates states, Progress.Task task) {
    var required = new HashMap<Site, Set<Statistic>>();
    var tensors = new LinkedHashMap<String, TreeMap<Integer, Address>>();
    for (var address : model.addresses()) {
      var site = address.reads(model.architecture());
      if (address.block() == block && !address.isVector(model.architecture()) && site.isPresent()) {
        required.put(site.get(), Set.of(Statistic.INPUT_SQUARED_NORM));
        tensors
            .computeIfAbsent(GgufNames.of(model.architecture(), address), _ -> new TreeMap<>())
            .put(address.expert(), address);
      }
    }
    try (var torch = TorchBlock.load(model, block)) {
      var statistics = BlockCalibration.collectAndAdvance(torch, states, required, task);
      tensors.forEach((name, experts) -> entries.put(name, entry(experts, statistics)));
    }
  }

  /** The matrices of one tensor, in order of their experts. */
  private Entry entry(TreeMap<Integer, Address> experts, Map<Site, LayerStatistics> statistics) {
    var addresses = new ArrayList<>(experts.values());
    int columns = model.matrix(addresses.getFirst()).columns();
    var sums = new float[Math.multiplyExact(columns, addresses.size())];
    var counts = new float[addresses.size()];
    for (int i = 0; i < counts.length; i++) {
      var address = addresses.get(i);
      var seen = statistics.get(address.reads(model.architecture()).orElseThrow());
      counts[i] = seen.tokens();
      if (seen.squaredNorm().isPresent()) {
        seen.requireFinite(model.name(address));
        System.arraycopy(seen.squaredNorm().get(), 0, sums, i * columns, columns);
      }
    }
    return new Entry(sums, counts);
  }
}
