package ai.lathe.compress.transform;

import ai.lathe.compress.layer.Statistic;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Changes the weights of a block before they are compressed, and leaves its function as it was. An
 * implementation is a record: all that decides what it does, printed into a run's fingerprint.
 */
public interface BlockTransform {

  /** As people know it, for example {@code SmoothQuant}. */
  String name();

  /**
   * What must be collected for it, by the parameter whose output is the input in question. Asked
   * before a run starts: a transform that cannot be applied to this model is a {@link
   * ai.lathe.tensor.LatheException} here.
   */
  Map<Role, Set<Statistic>> requires(Checkpoint model);

  /** What of this model it leaves alone although one might expect it not to, a sentence each. */
  List<String> notes(Checkpoint model);

  /** Changes a block, whose statistics have been collected. */
  List<Change> apply(BlockWeights block);
}
