package ai.lathe.torch;

import ai.lathe.model.architecture.Site;
import org.bytedeco.pytorch.Tensor;

/** Sees what goes into the linear layers of a block. */
@FunctionalInterface
public interface InputListener {

  /**
   * Called once for each input that linears of the block share, before they run.
   *
   * @param site which input it is
   * @param input {@code [batch, tokens, in]} float32, valid during the call
   */
  void input(Site site, Tensor input);
}
