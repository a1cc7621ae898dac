package ai.lathe.compress;

import ai.lathe.compress.journal.Journal;
import ai.lathe.compress.report.LayerReport;
import ai.lathe.compress.transform.Change;
import ai.lathe.model.Address;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/**
 * The finished steps of a run: what is outside blocks, then each block, then the artifact itself.
 */
final class Steps {

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Journal journal;
  private final TreeMap<Integer, Step> done = new TreeMap<>();

  /**
   * A step as the journal keeps it.
   *
   * @param block its index, or {@link Address#OUTSIDE}
   * @param changes by transforms
   */
  record Step(int block, List<Change> changes, List<LayerReport> layers) {}

  Steps(Journal journal) {
    this.journal = journal;
    for (var line : journal.steps()) {
      var step = JSON.convertValue(line, Step.class);
      done.put(step.block(), step);
    }
  }

  boolean has(int block) {
    return done.containsKey(block);
  }

  /** Whether the tensor at this address is durable. */
  boolean has(Address address) {
    return has(address.block());
  }

  /** Records a step whose tensors are durable. */
  void add(int block, List<Change> changes, List<LayerReport> layers) {
    var step = new Step(block, changes, layers);
    journal.append(step);
    done.put(block, step);
  }

  /** What transforms did, in order of execution. */
  List<Change> changes() {
    return done.values().stream().flatMap(step -> step.changes().stream()).toList();
  }

  /** Reports of all compressed matrices in order of execution. */
  List<LayerReport> layers() {
    var layers = new ArrayList<LayerReport>();
    done.values().forEach(step -> layers.addAll(step.layers()));
    return layers;
  }
}
