package ai.lathe.tensor;

/** An uncompressed weight. @param tensor {@code [out, in]}, any floating type */
public record Dense(Tensor tensor) implements LinearWeight {

  public Dense {
    if (tensor.shape().length != 2 || !tensor.dtype().isFloat()) {
      throw new LatheException("a dense weight is a matrix of a floating type, not " + tensor);
    }
  }

  public static Dense of(Matrix matrix) {
    return new Dense(Tensor.ofFloats(matrix.values(), matrix.rows(), matrix.columns()));
  }

  @Override
  public int rows() {
    return Math.toIntExact(tensor.size(0));
  }

  @Override
  public int columns() {
    return Math.toIntExact(tensor.size(1));
  }

  @Override
  public Encoding encoding() {
    return new Encoding.Plain(tensor.dtype());
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    tensor.copyFloats((long) from * columns(), target, offset, (to - from) * columns());
  }
}
