package ai.lathe.compress.layer;

import ai.lathe.model.Address;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.TorchBlock;
import java.util.List;
import java.util.Map;

/**
 * A method that compresses several layers of a block together, against what the block gives out.
 * Its {@link #requires} must name at least one statistic: without any there is no calibration, and
 * then layers are solved one by one.
 *
 * @param <C> its config
 */
public interface BlockSolver<C extends SolverConfig> extends LayerSolver<C> {

  /** A solution for the layer of every part. */
  Map<Address, Solution> solve(Problem<C> problem);

  /**
   * Layers to compress where they stand.
   *
   * @param block its index
   * @param original the block with the weights that are to be compressed; closed by the caller
   * @param inputs what the compressed blocks before it give; not to be changed
   * @param parts the layers, in order of execution
   * @param task for notes; a step for each batch is counted elsewhere
   */
  record Problem<C extends SolverConfig>(
      int block,
      TorchBlock original,
      HiddenStates inputs,
      List<Part<C>> parts,
      Progress.Task task) {}

  /**
   * @param statistics of its input, one object for layers that share it
   */
  record Part<C extends SolverConfig>(
      Address address, Layer layer, LayerStatistics statistics, C config) {}
}
