package ai.lathe.torch;

import ai.lathe.model.Encoder;
import ai.lathe.model.ModelConfig;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.List;
import java.util.function.Function;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * An encoder of sequences that have run through all of its blocks.
 *
 * @param output {@code [tokens, hidden]} of one of these sequences
 */
record StatesEncoder(ModelConfig config, Function<int[], Tensor> output) implements Encoder {

  @Override
  public int hiddenSize() {
    return config.hidden();
  }

  @Override
  public int contextLength() {
    return config.context();
  }

  @Override
  public List<Matrix> encode(List<int[]> sequences) {
    return sequences.stream().map(this::encode).toList();
  }

  private Matrix encode(int[] sequence) {
    if (sequence.length == 0) {
      throw new LatheException("a sequence to encode has no tokens");
    }
    try (var _ = new PointerScope()) {
      var matrix = Matrix.zeros(sequence.length, hiddenSize());
      Torch.copy(output.apply(sequence), matrix.values(), 0);
      return matrix;
    }
  }

  @Override
  public void close() {}
}
