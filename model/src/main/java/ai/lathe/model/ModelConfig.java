package ai.lathe.model;

import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Width;
import ai.lathe.tensor.DType;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * The numbers of a model, whichever file they came from.
 *
 * @param hidden width of the residual stream
 * @param blocks transformer blocks
 * @param keyValueHeads less than {@code heads} under grouped-query attention
 * @param headSize features of one head; not always {@code hidden / heads}
 * @param feedForward inner width of the feed-forward
 * @param experts of blocks that have a mixture of them instead; empty where none has
 * @param context most positions
 * @param rope null where positions are learned
 * @param tiedEmbeddings the output matrix is the token embedding
 * @param tokenTypes segment embeddings of BERT, else 0
 * @param slidingWindow positions that a token sees, where limited
 * @param dtype element type that the weights are stored in where they are not compressed
 * @param beginToken put before a text by the tokenizer's own rules, not by ours
 * @param huggingFace the {@code config.json} that describes this model to other tools
 */
public record ModelConfig(
    int hidden,
    int blocks,
    int heads,
    int keyValueHeads,
    int headSize,
    int feedForward,
    Optional<Experts> experts,
    int vocabulary,
    int context,
    double normEpsilon,
    Rope rope,
    boolean tiedEmbeddings,
    int tokenTypes,
    OptionalInt slidingWindow,
    DType dtype,
    OptionalInt beginToken,
    OptionalInt endToken,
    ObjectNode huggingFace) {

  /** The same numbers, described to other tools by another {@code config.json}. */
  public ModelConfig describedBy(ObjectNode json) {
    return new ModelConfig(
        hidden,
        blocks,
        heads,
        keyValueHeads,
        headSize,
        feedForward,
        experts,
        vocabulary,
        context,
        normEpsilon,
        rope,
        tiedEmbeddings,
        tokenTypes,
        slidingWindow,
        dtype,
        beginToken,
        endToken,
        json);
  }

  /** How many a dimension of an architecture's parameter has in this model. */
  public int size(Width width) {
    return switch (width) {
      case HIDDEN -> hidden;
      case QUERY_HEADS -> heads * headSize;
      case KEY_VALUE_HEADS -> keyValueHeads * headSize;
      case HEAD -> headSize;
      case FEED_FORWARD -> feedForward;
      case EXPERT_FEED_FORWARD -> experts.orElseThrow().feedForward();
      case EXPERTS -> experts.orElseThrow().count();
      case VOCABULARY -> vocabulary;
      case POSITIONS -> context;
      case TOKEN_TYPES -> tokenTypes;
    };
  }

  /** Whether a block has experts for its feed-forward. */
  public boolean isMixture(int block) {
    return experts.isPresent() && !experts.get().denseBlocks().contains(block);
  }

  /** The parameters of one block, in order of execution; each expert has those that are its own. */
  public List<Parameter> parameters(Architecture architecture, int block) {
    var absent = isMixture(block) ? Role.DENSE_FEED_FORWARD : Role.MIXTURE;
    return architecture.inner().values().stream()
        .filter(parameter -> !absent.contains(parameter.role()))
        .toList();
  }

  /** How many of a parameter a block has: one, or one an expert. */
  public int copies(Parameter parameter) {
    return parameter.perExpert() ? experts.orElseThrow().count() : 1;
  }

  /** Weights of a block's linear layers. */
  public long weights(Architecture architecture, int block) {
    return parameters(architecture, block).stream()
        .filter(Parameter::isMatrix)
        .mapToLong(p -> (long) copies(p) * size(p.rows()) * size(p.columns()))
        .sum();
  }

  /**
   * A mixture of experts.
   *
   * @param perToken experts that each token goes through
   * @param feedForward inner width of one
   * @param normalized a token's weights over its experts are divided by their sum
   * @param denseBlocks those that have none
   */
  public record Experts(
      int count, int perToken, int feedForward, boolean normalized, Set<Integer> denseBlocks) {

    public Experts {
      denseBlocks = Set.copyOf(denseBlocks);
    }
  }

  /**
   * Rotary positions.
   *
   * @param theta base of the frequencies
   * @param dimensions rotated features of a head
   */
  public record Rope(double theta, int dimensions, Scaling scaling) {

    /** How frequencies are stretched to longer contexts. */
    public sealed interface Scaling {
      record None() implements Scaling {}

      record Linear(double factor) implements Scaling {}

      /** Llama 3.1: long wavelengths divided by factor, short ones kept, a ramp between. */
      record Llama3(
          double factor, double lowFrequencyFactor, double highFrequencyFactor, int originalContext)
          implements Scaling {}

      /** A divisor for each frequency, as GGUF stores whatever the scaling was. */
      record PerFrequency(List<Double> divisors) implements Scaling {}
    }

    /** The {@code dimensions / 2} angular frequencies, scaled. */
    public double[] frequencies() {
      var frequencies = new double[dimensions / 2];
      for (int i = 0; i < frequencies.length; i++) {
        frequencies[i] = scaled(i, Math.pow(theta, -2.0 * i / dimensions));
      }
      return frequencies;
    }

    private double scaled(int i, double frequency) {
      return switch (scaling) {
        case Scaling.None() -> frequency;
        case Scaling.Linear(double factor) -> frequency / factor;
        case Scaling.Llama3(double factor, double low, double high, int original) -> {
          double turns = original * frequency / (2 * Math.PI);
          double ramp = Math.clamp((turns - low) / (high - low), 0, 1);
          yield (1 - ramp) * frequency / factor + ramp * frequency;
        }
        case Scaling.PerFrequency(List<Double> divisors) -> frequency / divisors.get(i);
      };
    }
  }
}
