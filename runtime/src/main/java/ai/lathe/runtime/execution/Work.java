package ai.lathe.runtime.execution;

/**
 * What a token costs in the matrices of a model, of experts only as many as a token goes through.
 *
 * @param blockBytes that the blocks' matrices are read in
 * @param blockOperations multiplications and additions of them
 * @param outputBytes of the output matrix; 0 in an encoder
 */
public record Work(
    double blockBytes, double blockOperations, double outputBytes, double outputOperations) {

  static final Work NONE = new Work(0, 0, 0, 0);

  Work plusBlock(double bytes, double operations) {
    return new Work(
        blockBytes + bytes, blockOperations + operations, outputBytes, outputOperations);
  }

  Work plusOutput(double bytes, double operations) {
    return new Work(
        blockBytes, blockOperations, outputBytes + bytes, outputOperations + operations);
  }

  /** Read for every token that is generated one at a time. */
  public double bytes() {
    return blockBytes + outputBytes;
  }
}
