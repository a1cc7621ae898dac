package ai.lathe.model;

import ai.lathe.model.Address.Part;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Width;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
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
 * @param window of attention, in the blocks that have one
 * @param arithmetic what is computed beyond sizes
 * @param dtype element type that the weights are stored in where they are not compressed
 * @param beginToken put before a text by the tokenizer's own rules, not by ours
 * @param huggingFace the {@code config.json} that describes this model to other tools
 * @param widths of each block; empty where all are as wide as the numbers above say
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
    Optional<Window> window,
    Arithmetic arithmetic,
    DType dtype,
    OptionalInt beginToken,
    OptionalInt endToken,
    ObjectNode huggingFace,
    List<BlockWidths> widths) {

  /** Rows of a position table that stand before the first position's, in OPT and its kin. */
  private static final int PADDING_POSITIONS = 2;

  public ModelConfig {
    if (!widths.isEmpty() && widths.size() != blocks) {
      throw new LatheException(
          "%d blocks have %d widths; each has its own".formatted(blocks, widths.size()));
    }
    var whole = new BlockWidths(feedForward, headSize, headSize);
    widths = widths.stream().allMatch(whole::equals) ? List.of() : List.copyOf(widths);
  }

  /**
   * Attention to the last positions only.
   *
   * @param positions that a token sees, itself among them
   * @param blocks for each block whether it has the window; the others see everything
   * @param rope of the blocks with a window, which may differ from the others'
   */
  public record Window(int positions, List<Boolean> blocks, Rope rope) {

    /** In every block. */
    public static Window everywhere(int positions, int blocks, Rope rope) {
      return new Window(positions, Collections.nCopies(blocks, true), rope);
    }

    public boolean in(int block) {
      return blocks.get(block);
    }
  }

  /**
   * What is computed beyond sizes.
   *
   * @param activation of the feed-forward
   * @param attentionScale what products of queries and keys are multiplied by
   * @param attentionCap where given, scores {@code s} become {@code cap * tanh(s / cap)}
   * @param outputCap likewise for the logits of the vocabulary
   */
  public record Arithmetic(
      Activation activation,
      double attentionScale,
      OptionalDouble attentionCap,
      OptionalDouble outputCap) {

    /** Scores divided by {@code sqrt(head size)}, nothing capped. */
    public static Arithmetic plain(Activation activation, int headSize) {
      return new Arithmetic(
          activation, 1 / Math.sqrt(headSize), OptionalDouble.empty(), OptionalDouble.empty());
    }
  }

  /** Positions that a token sees in a block, where limited. */
  public OptionalInt window(int block) {
    return window.filter(w -> w.in(block)).stream().mapToInt(Window::positions).findFirst();
  }

  /** Rotary positions of a block; null where positions are learned. */
  public Rope rope(int block) {
    return window.filter(w -> w.in(block)).map(Window::rope).orElse(rope);
  }

  /** The same numbers, described to other tools by another {@code config.json}. */
  public ModelConfig describedBy(ObjectNode json) {
    return with(tiedEmbeddings, json, widths);
  }

  /** The same numbers of a model whose output matrix is its own. */
  public ModelConfig untied() {
    return with(false, huggingFace, widths);
  }

  /**
   * The same model with blocks of these widths.
   *
   * @param others one for each block
   * @throws LatheException where a block of this architecture cannot have them
   */
  public ModelConfig narrowed(Architecture architecture, List<BlockWidths> others) {
    var narrowed = with(tiedEmbeddings, huggingFace, others);
    narrowed
        .obstacle(architecture)
        .ifPresent(
            why -> {
              throw new LatheException(why);
            });
    return narrowed;
  }

  /** Why a block cannot have the widths that it has here; empty where all can. */
  public Optional<String> obstacle(Architecture architecture) {
    for (int block = 0; block < widths.size(); block++) {
      var why = widths.get(block).obstacle(this, architecture, block);
      if (why.isPresent()) {
        return Optional.of("block %d cannot be so narrow: %s".formatted(block, why.get()));
      }
    }
    return Optional.empty();
  }

  private ModelConfig with(boolean tied, ObjectNode json, List<BlockWidths> others) {
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
        tied,
        tokenTypes,
        window,
        arithmetic,
        dtype,
        beginToken,
        endToken,
        json,
        others);
  }

  /** The inner widths of a block; outside of blocks the model's own. */
  public BlockWidths widths(int block) {
    return widths.isEmpty() || block == Address.OUTSIDE
        ? new BlockWidths(feedForward, headSize, headSize)
        : widths.get(block);
  }

  /** Inner features of the feed-forwards of all blocks together, experts aside. */
  public long feedForwards() {
    return widths.isEmpty()
        ? (long) blocks * feedForward
        : widths.stream().mapToLong(BlockWidths::feedForward).sum();
  }

  /** Whether the query and key heads of a block keep a part of their rotary pairs only. */
  public boolean keepsPairs(int block) {
    return rope(block) != null && widths(block).keySize() != headSize;
  }

  /**
   * How many a dimension of an architecture's parameter has in this model.
   *
   * @param block where the parameter stands, or {@link Address#OUTSIDE}
   */
  public int size(Width width, int block) {
    var inner = widths(block);
    return switch (width) {
      case HIDDEN -> hidden;
      case QUERY_HEADS -> heads * inner.keySize();
      case KEY_HEADS -> keyValueHeads * inner.keySize();
      case VALUE_HEADS -> keyValueHeads * inner.valueSize();
      case MIXED_VALUES -> heads * inner.valueSize();
      case HEAD -> inner.keySize();
      case KEY_VALUE_HEADS -> keyValueHeads;
      case ROTARY_PAIRS -> inner.keySize() / 2;
      case QUERY_KEY_VALUE ->
          (heads + keyValueHeads) * inner.keySize() + keyValueHeads * inner.valueSize();
      case FEED_FORWARD -> inner.feedForward();
      case EXPERT_FEED_FORWARD -> experts.orElseThrow().feedForward();
      case EXPERTS -> experts.orElseThrow().count();
      case GATE_AND_UP -> 2 * inner.feedForward();
      case VOCABULARY -> vocabulary;
      case POSITIONS -> context;
      case PADDED_POSITIONS -> context + PADDING_POSITIONS;
      case TOKEN_TYPES -> tokenTypes;
    };
  }

  /** {@code [out, in]}, {@code [n]} of a vector, or {@code [n, m]} of indices. */
  public long[] shape(Architecture architecture, Address address) {
    var parameter = architecture.parameter(address.role());
    long rows = size(parameter.rows(), address.block());
    return address.part() == Part.BIAS || parameter.columns() == null
        ? new long[] {rows}
        : new long[] {rows, size(parameter.columns(), address.block())};
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
        .filter(parameter -> parameter.role() != Role.ROTARY_PAIRS || keepsPairs(block))
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
        .mapToLong(p -> (long) copies(p) * size(p.rows(), block) * size(p.columns(), block))
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

      /**
       * LongRoPE (Ding et al. 2024, arXiv 2402.13753): a divisor for each frequency, others for
       * sequences of more than the original context; rotated features are also stretched.
       *
       * @param stretch what cosines and sines are multiplied by
       */
      record LongRope(
          List<Double> shortDivisors,
          List<Double> longDivisors,
          int originalContext,
          double stretch)
          implements Scaling {}
    }

    /** The same rotation under another scaling. */
    public Rope scaled(Scaling other) {
      return new Rope(theta, dimensions, other);
    }

    /** What cosines and sines are multiplied by. */
    public double stretch() {
      return scaling instanceof Scaling.LongRope longRope ? longRope.stretch() : 1;
    }

    /** The {@code dimensions / 2} angular frequencies of a short sequence, scaled. */
    public double[] frequencies() {
      return frequencies(1);
    }

    /** Likewise for a sequence of {@code tokens}. */
    public double[] frequencies(int tokens) {
      var frequencies = new double[dimensions / 2];
      for (int i = 0; i < frequencies.length; i++) {
        frequencies[i] = scaled(i, Math.pow(theta, -2.0 * i / dimensions), tokens);
      }
      return frequencies;
    }

    /** Whether sequences of these lengths have the same frequencies. */
    public boolean sameFrequencies(int tokens, int others) {
      return !(scaling instanceof Scaling.LongRope longRope)
          || tokens > longRope.originalContext() == others > longRope.originalContext();
    }

    private double scaled(int i, double frequency, int tokens) {
      return switch (scaling) {
        case Scaling.None() -> frequency;
        case Scaling.Linear(double factor) -> frequency / factor;
        case Scaling.Llama3(double factor, double low, double high, int original) -> {
          double turns = original * frequency / (2 * Math.PI);
          double ramp = Math.clamp((turns - low) / (high - low), 0, 1);
          yield (1 - ramp) * frequency / factor + ramp * frequency;
        }
        case Scaling.PerFrequency(List<Double> divisors) -> frequency / divisors.get(i);
        case Scaling.LongRope longRope ->
            frequency
                / (tokens > longRope.originalContext()
                        ? longRope.longDivisors()
                        : longRope.shortDivisors())
                    .get(i);
      };
    }
  }
}
