package ai.lathe.model;

import ai.lathe.model.architecture.Architecture;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Another checkpoint, some of whose tensors are given otherwise; everything else is the other's.
 * The other stays the caller's to close.
 */
public abstract class CheckpointView implements Checkpoint {

  protected final Checkpoint source;

  protected CheckpointView(Checkpoint source) {
    this.source = source;
  }

  @Override
  public Architecture architecture() {
    return source.architecture();
  }

  @Override
  public ModelConfig config() {
    return source.config();
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return source.tokenizer();
  }

  @Override
  public List<Address> addresses() {
    return source.addresses();
  }

  @Override
  public LinearWeight matrix(Address address) {
    return source.matrix(address);
  }

  @Override
  public Optional<Tensor> vector(Address address) {
    return source.vector(address);
  }

  @Override
  public String name(Address address) {
    return source.name(address);
  }

  @Override
  public Map<String, byte[]> companions() {
    return source.companions();
  }

  @Override
  public Pooling pooling() {
    return source.pooling();
  }

  @Override
  public long bytes() {
    return source.bytes();
  }

  @Override
  public String format() {
    return source.format();
  }

  @Override
  public void release(int block) {
    source.release(block);
  }

  @Override
  public void close() {}
}
