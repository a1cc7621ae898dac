package ai.lathe.compress.budget;

import ai.lathe.compress.allocation.Budget.Phase;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import java.util.Map;

/** Times models on the executor that serves them; who has one hands it in. */
public interface Stopwatch {

  /** Machine, kernels and threads: times of one are of no use to another. */
  String machine();

  /** Where the time of a token goes, in every phase. */
  Map<Phase, Time> times(Checkpoint model);

  /** How many times as many tokens a second one model takes as another, both run in turn. */
  double ratio(Checkpoint of, Checkpoint over, Phase phase);

  /**
   * @param matrices nanoseconds of a token in each
   * @param token nanoseconds in all
   */
  record Time(Map<Address, Double> matrices, double token) {}
}
