package ai.lathe.torch.gradient;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.Precision;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchBlock;
import ai.lathe.torch.TorchHead;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * How much a decoder's distribution minds what is added to each output of each linear layer: the
 * diagonal of the Fisher information by these outputs. With {@code g_i} the gradient of the log
 * probability of tokens that the model itself draws, {@code G_ii} is the mean of {@code g_i^2} over
 * tokens, and a small noise of variance {@code v_i}, independent of all else, moves the
 * distribution by {@code KL = 1/2 sum_i G_ii v_i} a token.
 *
 * <p>Goes forward and back a block at a time: the states before each block are kept, in a file
 * where they are many, and one block's weights are in memory.
 */
public final class OutputGradients {

  /** Positions whose logits are held at once. */
  private static final int POSITIONS = 256;

  private final Checkpoint model;
  private final List<int[]> sequences;
  private final long seed;
  private final Map<Address, double[]> sums = new LinkedHashMap<>();

  private OutputGradients(Checkpoint model, List<int[]> sequences, long seed) {
    this.model = model;
    this.sequences = sequences;
    this.seed = seed;
  }

  /**
   * @param sequences of at least two tokens each
   * @param seed of the tokens that are drawn
   * @param batchTokens that run through a block at once, about
   * @param memoryLimit bytes of states above which they go to files
   * @param spillDirectory for these
   * @return {@code [out]} by weight; the weights of experts that no token went to have none
   */
  public static Map<Address, float[]> of(
      Checkpoint model,
      List<int[]> sequences,
      long seed,
      int batchTokens,
      long memoryLimit,
      Path spillDirectory,
      Progress progress) {
    if (model.architecture().kind() != ModelKind.DECODER) {
      throw new LatheException("an encoder gives no tokens a probability that it could be told by");
    }
    return new OutputGradients(model, sequences, seed)
        .of(batchTokens, memoryLimit, spillDirectory, progress);
  }

  private Map<Address, float[]> of(
      int batchTokens, long memoryLimit, Path spillDirectory, Progress progress) {
    int blocks = model.config().blocks();
    int width = model.config().hidden();
    var borders = new ArrayList<HiddenStates>();
    try {
      for (int i = 0; i <= blocks; i++) {
        borders.add(
            new HiddenStates(
                sequences, width, batchTokens, memoryLimit / (blocks + 1), spillDirectory));
      }
      int batches = borders.getFirst().batches();
      try (var task = progress.start("gradients of outputs", (long) batches * (4L * blocks + 1))) {
        forward(borders, task);
        atTheHead(borders.getLast(), task);
        for (int block = blocks - 1; block >= 0; block--) {
          back(block, borders.get(block), borders.get(block + 1), task);
          // The gradient by this block's input has taken the place of its input.
          borders.get(block + 1).close();
          borders.removeLast();
          model.release(block);
        }
      }
      double tokens = borders.getFirst().tokens();
      var means = new LinkedHashMap<Address, float[]>();
      sums.forEach((address, sum) -> means.put(address, divided(sum, tokens)));
      return means;
    } finally {
      borders.forEach(HiddenStates::close);
    }
  }

  private static float[] divided(double[] sum, double tokens) {
    var mean = new float[sum.length];
    for (int i = 0; i < mean.length; i++) {
      mean[i] = (float) (sum[i] / tokens);
    }
    return mean;
  }

  /** Fills the states before each block, and those after the last. */
  private void forward(List<HiddenStates> borders, Progress.Task task) {
    try (var _ = new NoGradGuard()) {
      Layerwise.embed(model, borders.getFirst());
      for (int n = 0; n + 1 < borders.size(); n++) {
        try (var block = TorchBlock.load(model, n)) {
          for (int batch = 0; batch < borders.get(n).batches(); batch++) {
            try (var _ = new PointerScope()) {
              var padding = borders.get(n).padding(batch);
              var output = block.forward(borders.get(n).get(batch), padding, null);
              borders.get(n + 1).set(batch, output);
            }
            task.advance(1);
          }
        }
        model.release(n);
      }
    }
  }

  /** Replaces the last states by the gradient of the drawn tokens' log probability by them. */
  private void atTheHead(HiddenStates last, Progress.Task task) {
    try (var head = TorchHead.load(model, Precision.FLOAT32)) {
      for (int i = 0; i < sequences.size(); i++) {
        var random = new SplittableRandom(seed + i);
        // What follows the last token is not there to be told.
        int positions = sequences.get(i).length - 1;
        for (int from = 0; from < positions; from += POSITIONS) {
          try (var _ = new PointerScope()) {
            var states = last.sequence(i).narrow(0, from, Math.min(POSITIONS, positions - from));
            states.copy_(gradient(head, states, random));
          }
        }
        try (var _ = new PointerScope()) {
          last.sequence(i).narrow(0, positions, 1).zero_();
        }
      }
      padding(last);
      task.advance(last.batches());
    }
  }

  private static Tensor gradient(TorchHead head, Tensor states, SplittableRandom random) {
    var input = states.clone().set_requires_grad(true);
    var logits = head.logits(head.input(input));
    var drawn = Draw.from(logits, random).unsqueeze(-1);
    var told = torch.log_softmax(logits, -1).gather(-1, drawn).sum();
    return torch
        .grad(
            new TensorVector(told),
            new TensorVector(input),
            new TensorVector(),
            new BoolOptional(false),
            false,
            false)
        .get(0);
  }

  /** Nothing comes back from what fills up a batch. */
  private static void padding(HiddenStates last) {
    for (int batch = 0; batch < last.batches(); batch++) {
      try (var _ = new PointerScope()) {
        var real = last.padding(batch);
        if (real != null) {
          // Not a product: what stands there may be anything.
          var states = last.get(batch);
          var none = torch.zeros_like(states);
          last.set(batch, torch.where(real.unsqueeze(-1).ne(new Scalar(0)), states, none));
        }
      }
    }
  }

  /**
   * Takes gradients back through a block: {@code inputs} become the gradient by them.
   *
   * @param outputs the gradient by what the block gives
   */
  private void back(int n, HiddenStates inputs, HiddenStates outputs, Progress.Task task) {
    try (var block = TorchBlock.load(model, n)) {
      for (int batch = 0; batch < inputs.batches(); batch++) {
        try (var _ = new PointerScope()) {
          var input = inputs.get(batch).clone().set_requires_grad(true);
          var told = new LinkedHashMap<Address, Tensor>();
          var output =
              block.trace(
                  input,
                  inputs.padding(batch),
                  (address, tensor) -> {
                    tensor.retainReference();
                    told.put(address, tensor);
                  });
          try {
            inputs.set(batch, back(output, outputs.get(batch), input, told));
          } finally {
            told.values().forEach(Tensor::releaseReference);
          }
        }
        task.advance(3);
      }
    }
  }

  /** Adds up squares, and gives the gradient by the input. */
  private Tensor back(Tensor output, Tensor gradient, Tensor input, Map<Address, Tensor> told) {
    var by = new TensorVector();
    told.values().forEach(by::push_back);
    by.push_back(input);
    var gradients =
        Torch.oneThreadAProduct(
            () ->
                torch.grad(
                    new TensorVector(output),
                    by,
                    new TensorVector(gradient),
                    new BoolOptional(false),
                    false,
                    true));
    int index = 0;
    for (var address : told.keySet()) {
      var own = gradients.get(index++);
      if (own.defined()) {
        add(address, own);
      }
    }
    return gradients.get(index);
  }

  private void add(Address address, Tensor gradient) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var rows = gradient.reshape(-1, gradient.size(-1));
      if (!Torch.finite(rows)) {
        throw new LatheException(
            "the gradient by the output of %s holds NaN or infinity: the model or its text is broken"
                .formatted(model.name(address)));
      }
      var squares = Torch.floats(rows.to(ScalarType.Double).square().sum(0));
      var sum = sums.computeIfAbsent(address, _ -> new double[squares.length]);
      for (int i = 0; i < squares.length; i++) {
        sum[i] += squares[i];
      }
    }
  }
}
