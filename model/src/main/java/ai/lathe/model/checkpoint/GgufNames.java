package ai.lathe.model.checkpoint;

import ai.lathe.model.Address;
import ai.lathe.model.architecture.Architecture;

/** What GGUF calls a model's tensors, whatever file the model itself is in. */
public final class GgufNames {

  private GgufNames() {}

  /**
   * For example {@code blk.0.attn_q.weight}. The matrices of all experts of a block are one tensor
   * and have one name.
   */
  public static String of(Architecture architecture, Address address) {
    var naming = new Naming.Gguf(architecture);
    return naming.write(architecture.parameter(address.role()), address);
  }
}
