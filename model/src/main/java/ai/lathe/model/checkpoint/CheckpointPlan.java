package ai.lathe.model.checkpoint;

import ai.lathe.model.Address;
import ai.lathe.model.CheckpointWriter;
import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;

/** A model to be written: everything about it is known but the values. */
public sealed interface CheckpointPlan permits HuggingFacePlan, GgufPlan {

  /** What will appear when it is finished. */
  Path target();

  /** Exact bytes of all its files. */
  long bytes();

  /** What programs that read the result will make of it, where it is not quite the model. */
  List<String> notes();

  /** Where the unfinished model stands while it is written; gone once it is finished. */
  Path staging();

  /** Begins it; what an earlier writer left unfinished is discarded. */
  CheckpointWriter create();

  /**
   * Goes on where an earlier writer of the same plan was killed.
   *
   * @param written what it wrote before its last flush
   * @throws LatheException where what is there belongs to another plan
   */
  CheckpointWriter resume(Collection<Address> written);
}
