package ai.lathe.model;

import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.nio.file.Path;

/**
 * A model being written, a tensor at a time in any order. Everything stands beside the target until
 * {@link #finish} moves it into place; a writer that is closed unfinished leaves the target
 * untouched.
 */
public interface CheckpointWriter extends AutoCloseable {

  /** The weight must have the encoding that the writer was opened with for this address. */
  void write(Address address, LinearWeight weight);

  void write(Address address, Tensor vector);

  /**
   * Makes everything written so far durable: after this returns, a killed process can go on from
   * here.
   */
  void flush();

  /**
   * Where the unfinished model stands. It can be opened as a checkpoint: what was written reads as
   * it will in the end, the rest reads as zeros.
   */
  Path staging();

  /** Checks that every tensor was written, and moves the result into place. */
  void finish();

  @Override
  void close();
}
