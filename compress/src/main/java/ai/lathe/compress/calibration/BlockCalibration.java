package ai.lathe.compress.calibration;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.TorchBlock;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;

/** Learns what goes into the layers of a block. */
public final class BlockCalibration {

  private BlockCalibration() {}

  /**
   * Runs a block over all states, which stay as they are.
   *
   * @param required statistics by input; nothing else is collected
   * @return by input
   */
  public static Map<Site, LayerStatistics> collect(
      TorchBlock block,
      HiddenStates states,
      Map<Site, Set<Statistic>> required,
      Progress.Task task) {
    return run(block, states, required, task, false);
  }

  /** The same, and replaces all states by the block's output. */
  public static Map<Site, LayerStatistics> collectAndAdvance(
      TorchBlock block,
      HiddenStates states,
      Map<Site, Set<Statistic>> required,
      Progress.Task task) {
    return run(block, states, required, task, true);
  }

  private static Map<Site, LayerStatistics> run(
      TorchBlock block,
      HiddenStates states,
      Map<Site, Set<Statistic>> required,
      Progress.Task task,
      boolean advance) {
    try (var collector = new StatisticsCollector(required)) {
      for (int batch = 0; batch < states.batches(); batch++) {
        try (var _ = new PointerScope()) {
          var output = block.forward(states.get(batch), states.padding(batch), collector);
          if (advance) {
            states.set(batch, output);
          }
        }
        task.advance(1);
      }
      var statistics = new HashMap<Site, LayerStatistics>();
      required.keySet().forEach(site -> statistics.put(site, collector.take(site)));
      return statistics;
    }
  }
}
