package ai.lathe.model;

import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Role;
import java.util.List;

/** An encoder without its head for masked tokens, for files that have no place for one. */
public final class Headless extends CheckpointView {

  private final Architecture architecture;
  private final ModelConfig config;

  private Headless(Checkpoint source) {
    super(source);
    architecture = Architectures.withoutHead(source.architecture());
    config = source.config().untied();
  }

  /** The model itself where it has no such head. */
  public static Checkpoint of(Checkpoint source) {
    return source.architecture().has(Role.HEAD_TRANSFORM) ? new Headless(source) : source;
  }

  @Override
  public Architecture architecture() {
    return architecture;
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public List<Address> addresses() {
    return source.addresses().stream().filter(address -> architecture.has(address.role())).toList();
  }
}
