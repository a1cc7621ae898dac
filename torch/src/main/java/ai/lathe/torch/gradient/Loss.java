package ai.lathe.torch.gradient;

import ai.lathe.model.Checkpoint;
import ai.lathe.model.Masking;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import ai.lathe.torch.Torch;
import java.util.Optional;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * What is differentiated. {@link NextToken}, {@link MaskedToken} and {@link Distillation} have
 * labels, and give the empirical Fisher; {@link OwnToken} and {@link Output} draw them from the
 * model itself, and give the true one: the curvature of the distance to the model as it is.
 */
public sealed interface Loss {

  /** The loss of a mini-batch, a scalar in the caller's scope. */
  Tensor of(Pass pass);

  /** Why a model has no such loss, in half a sentence; empty where it has. */
  default Optional<String> refusal(Architecture architecture) {
    return architecture.kind() == ModelKind.DECODER
        ? Optional.empty()
        : Optional.of("an encoder predicts no next token; its loss is that of its output");
  }

  /** Likewise of a loss that may hide the tokens that it predicts. */
  private static Optional<String> refusal(Architecture architecture, Optional<Masked> masked) {
    boolean encoder = architecture.kind() == ModelKind.ENCODER;
    if (encoder && !architecture.has(Role.OUTPUT)) {
      return Optional.of(
          "this encoder has no head that predicts masked tokens; its loss is that of its output");
    }
    if (encoder == masked.isPresent()) {
      return Optional.empty();
    }
    return Optional.of(
        encoder
            ? "an encoder predicts no next token, but masked ones"
            : "masked tokens are for encoders; a decoder's loss is of the next token");
  }

  /** How an encoder's tokens are hidden, anew in each mini-batch. */
  record Masked(Masking masking, long seed) {

    private static Pass of(Optional<Masked> masked, Pass pass) {
      return masked.map(m -> pass.masked(m.masking, m.seed)).orElse(pass);
    }
  }

  /** A model whose output this is compared with; it is run beside the other. */
  default Optional<Checkpoint> teacher() {
    return Optional.empty();
  }

  /** Mean cross-entropy of the tokens that follow, of a decoder. */
  record NextToken() implements Loss {
    @Override
    public Tensor of(Pass pass) {
      return crossEntropy(pass.logits(), pass.labels());
    }
  }

  /** Mean cross-entropy of the hidden tokens, of an encoder that has a head for them. */
  record MaskedToken(Masked masked) implements Loss {
    @Override
    public Optional<String> refusal(Architecture architecture) {
      return Loss.refusal(architecture, Optional.of(masked));
    }

    @Override
    public Tensor of(Pass pass) {
      var hidden = Masked.of(Optional.of(masked), pass);
      return crossEntropy(hidden.logits(), hidden.labels());
    }
  }

  /**
   * Mean cross-entropy of tokens that the model itself draws to follow each one, or, for an
   * encoder, to stand in the place of each hidden one. The covariance of these gradients is the
   * Fisher information of the model's own distribution, and that is the Hessian of the divergence
   * {@code KL(model || changed model)} where nothing has changed yet.
   *
   * <p>It has mean zero, so a mean over n tokens has 1/n of a token's covariance; it is multiplied
   * by sqrt(n), whereby the size of a mini-batch does not change what damping means.
   *
   * @param masked for an encoder
   */
  record OwnToken(long seed, Optional<Masked> masked) implements Loss {

    /** Of a decoder. */
    public OwnToken(long seed) {
      this(seed, Optional.empty());
    }

    @Override
    public Optional<String> refusal(Architecture architecture) {
      return Loss.refusal(architecture, masked);
    }

    @Override
    public Tensor of(Pass pass) {
      var logits = Masked.of(masked, pass).logits();
      var drawn = Draw.from(logits, new SplittableRandom(seed + pass.number()));
      return crossEntropy(logits, drawn).mul(new Scalar(Math.sqrt(logits.size(0))));
    }
  }

  /**
   * {@code hardness * KD + (1 - hardness) * next token}, or masked token, where KD is {@code T^2
   * KL(teacher || model)} at temperature T, the mean over tokens. Zero everywhere, and so of no
   * use, for a model that is its own teacher; for one that has been pruned already it is the
   * distance that pruning has brought about.
   *
   * @param hardness 1 is the teacher alone
   * @param masked for encoders
   */
  record Distillation(
      Checkpoint model, double temperature, double hardness, Optional<Masked> masked)
      implements Loss {

    /** Of decoders. */
    public Distillation(Checkpoint model, double temperature, double hardness) {
      this(model, temperature, hardness, Optional.empty());
    }

    public Distillation {
      if (!(temperature > 0) || !(hardness >= 0 && hardness <= 1)) {
        throw new LatheException(
            "distillation has a temperature above 0 and a hardness from 0 to 1, not %s and %s"
                .formatted(temperature, hardness));
      }
    }

    @Override
    public Optional<String> refusal(Architecture architecture) {
      return Loss.refusal(architecture, masked);
    }

    @Override
    public Optional<Checkpoint> teacher() {
      return Optional.of(model);
    }

    @Override
    public Tensor of(Pass given) {
      var pass = Masked.of(masked, given);
      var logits = pass.logits();
      var cold = new Scalar(1 / temperature);
      var theirs = torch.log_softmax(pass.teacherLogits().mul(cold), -1);
      var ours = torch.log_softmax(logits.mul(cold), -1);
      var distance = theirs.exp().mul(theirs.sub(ours)).sum(-1).mean();
      var distilled = distance.mul(new Scalar(hardness * temperature * temperature));
      return hardness == 1
          ? distilled
          : distilled.add(crossEntropy(logits, pass.labels()).mul(new Scalar(1 - hardness)));
    }
  }

  /**
   * {@code sum over texts of <epsilon, h(text)> / sqrt(texts)} with a new {@code epsilon ~ N(0, I)}
   * for every text. The gradient is {@code J^T epsilon / sqrt(texts)}, J the Jacobian of the output
   * by the weights, and its covariance {@code J^T J / texts}: the Gauss-Newton matrix of {@code 1/2
   * |h - h0|^2}, which is the Hessian of the squared distance to the model as it is. So a model
   * without a head, whose only purpose is its output, has a Fisher matrix without any labels.
   *
   * @param of what the output is
   */
  record Output(Part of, long seed) implements Loss {

    /** An encoder's output. */
    public enum Part {
      /**
       * A text's embedding, of length 1: half its squared distance is one minus the cosine, the
       * very thing that embeddings are compared by.
       */
      EMBEDDING,
      /** The states of all tokens, each text's weighted by {@code 1 / sqrt(its tokens)}. */
      STATES
    }

    @Override
    public Optional<String> refusal(Architecture architecture) {
      return architecture.kind() == ModelKind.ENCODER
          ? Optional.empty()
          : Optional.of("the loss of the output is for encoders; a decoder's is of the next token");
    }

    @Override
    public Tensor of(Pass pass) {
      var output = of == Part.EMBEDDING ? pass.embedding() : pass.weightedStates();
      var noise = new float[(int) output.numel()];
      var random = new SplittableRandom(seed + pass.number());
      for (int i = 0; i < noise.length; i++) {
        noise[i] = (float) random.nextGaussian();
      }
      var product = output.mul(Torch.ofFloats(noise, output.shape()));
      return product.sum().mul(new Scalar(1 / Math.sqrt(output.size(0))));
    }
  }

  /**
   * @param logits {@code [predictions, vocabulary]}
   * @param labels {@code [predictions]} int64
   */
  private static Tensor crossEntropy(Tensor logits, Tensor labels) {
    return torch.cross_entropy_loss(logits, labels);
  }
}
