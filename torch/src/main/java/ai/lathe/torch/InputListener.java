package ai.lathe.torch;

import ai.lathe.model.architecture.Role;
import org.bytedeco.pytorch.Tensor;

/** Sees what goes into the linear layers of a block. */
@FunctionalInterface
public interface InputListener {

  /**
   * Called once for each input that linears of the block share, before they run.
   *
   * @param site what the linears read, as {@link ai.lathe.model.architecture.Parameter#reads} says
   * @param input {@code [batch, tokens, in]} float32, valid during the call
   */
  void input(Role site, Tensor input);
}
