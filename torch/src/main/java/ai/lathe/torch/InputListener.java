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
   * @param input {@code [batch, tokens, in]} float32, valid during the call; {@code [tokens, in]}
   *     where an expert reads it, for which it is called only if some token comes there
   * @param padding {@code [batch, tokens]}, nonzero for real tokens; null where all of the input's
   *     tokens are, as all of an expert's
   */
  void input(Site site, Tensor input, Tensor padding);
}
