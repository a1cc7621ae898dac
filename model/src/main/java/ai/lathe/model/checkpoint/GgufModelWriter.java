package ai.lathe.model.checkpoint;

import ai.lathe.format.gguf.GgufWriter;
import ai.lathe.model.Address;
import ai.lathe.model.CheckpointWriter;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;

/** Writes a {@link GgufPlan}, rows in llama.cpp's order. */
final class GgufModelWriter implements CheckpointWriter {

  private final GgufPlan plan;
  private final GgufWriter writer;

  GgufModelWriter(GgufPlan plan, GgufWriter writer) {
    this.plan = plan;
    this.writer = writer;
    plan.constants().forEach(writer::write);
  }

  @Override
  public void write(Address address, LinearWeight weight) {
    var to = plan.destination(address);
    if (!to.matrix()) {
      throw new LatheException(to.name() + " is a vector, and a matrix was given");
    }
    writer.write(to.name(), to.piece(), to.form().matrix(weight));
  }

  @Override
  public void write(Address address, Tensor vector) {
    var to = plan.destination(address);
    if (to.matrix()) {
      throw new LatheException(to.name() + " is a matrix, and a vector was given");
    }
    try (var arena = Arena.ofConfined()) {
      writer.write(to.name(), to.form().vector(vector.to(DType.F32, arena)));
    }
  }

  @Override
  public void flush() {
    writer.flush();
  }

  @Override
  public Path staging() {
    return plan.staging();
  }

  @Override
  public void finish() {
    writer.finish();
  }

  @Override
  public void close() {
    writer.close();
  }
}
