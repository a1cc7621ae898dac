package ai.lathe.torch;

import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * Hidden states of some {@link TokenBatches} at a border between blocks: float32, in memory.
 *
 * @param batches {@code [sequences, tokens, hidden]} each, owned by this
 */
public record States(List<Tensor> batches) implements AutoCloseable {

  public States {
    batches = List.copyOf(batches);
  }

  /** Memory that they take. */
  public long bytes() {
    return batches.stream().mapToLong(batch -> batch.numel() * batch.element_size()).sum();
  }

  /** The same in memory of its own. */
  public States copy() {
    return new States(batches.stream().map(batch -> Torch.owned(() -> batch.clone())).toList());
  }

  @Override
  public void close() {
    batches.forEach(Tensor::close);
  }
}
