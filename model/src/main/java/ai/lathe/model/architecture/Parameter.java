package ai.lathe.model.architecture;

import java.util.Optional;

/**
 * One parameter of an architecture: what it is, what files call it, its shape, and what it reads.
 *
 * @param huggingFace name without {@code .weight}, relative to the block where it stands in one;
 *     {@code {e}} is the index of the expert where each has one. Indices have no such ending
 * @param gguf likewise in GGUF, where one tensor {@code [experts, out, in]} holds those of all
 *     experts
 * @param rows outermost dimension; a norm's only one
 * @param columns input features; null for a norm
 * @param reads for a linear: the parameter whose output is its input. Linears of a block that read
 *     the same share an input
 * @param ggufRows how its rows are ordered in GGUF
 * @param tiedTo another parameter whose value it takes where the file does not have it, or null
 * @param transposed the plain matrix stands as {@code [in, out]} in Hugging Face files
 * @param biased a model without its bias is broken. Otherwise a bias is used where the file has one
 * @param alias another Hugging Face name that files may have, or null
 * @param biasModule the Hugging Face module that has its bias, where that is not its own, or null
 * @param stack where files may have it of all experts at once, or null
 */
public record Parameter(
    Role role,
    Kind kind,
    String huggingFace,
    String gguf,
    Width rows,
    Width columns,
    Role reads,
    RowOrder ggufRows,
    Role tiedTo,
    boolean biased,
    boolean transposed,
    String alias,
    String biasModule,
    Stack stack) {

  public enum Kind {
    EMBEDDING,
    NORM,
    LINEAR,
    /** Whole numbers that say which features there are. */
    INDICES
  }

  /** Order of the rows in a GGUF file, compared with Hugging Face's. */
  public enum RowOrder {
    SAME,
    /** Each head's two halves interleaved, for rotation of neighbouring pairs. */
    INTERLEAVED,
    /**
     * Hugging Face keeps each head's query, key and value together; GGUF has all queries, then all
     * keys, then all values.
     */
    UNGROUPED
  }

  /**
   * One tensor {@code [experts, parts * out, in]} of a Hugging Face file, as transformers 5 holds
   * experts in memory.
   *
   * @param name of the tensor, complete but for the block
   * @param part which of its parts the parameter is, from 0
   */
  public record Stack(String name, int part, int parts) {}

  /** What sets a linear apart from the plain one. */
  @FunctionalInterface
  public interface Trait {

    /** Its bias is required. */
    Trait BIASED = linear -> linear.with(linear.ggufRows, linear.tiedTo, true, linear.transposed);

    /** It has no bias where the other layers must have one. */
    Trait UNBIASED =
        linear -> linear.with(linear.ggufRows, linear.tiedTo, false, linear.transposed);

    /** In GGUF each head's two halves are interleaved. */
    Trait INTERLEAVED = rows(RowOrder.INTERLEAVED);

    /** In Hugging Face files query, key and value of each head stand together. */
    Trait GROUPED_BY_HEAD = rows(RowOrder.UNGROUPED);

    /** Hugging Face files hold {@code [in, out]}. */
    Trait TRANSPOSED = linear -> linear.with(linear.ggufRows, linear.tiedTo, linear.biased, true);

    /** Takes the value of {@code other} where the file does not have it. */
    static Trait tiedTo(Role other) {
      return linear -> linear.with(linear.ggufRows, other, linear.biased, linear.transposed);
    }

    private static Trait rows(RowOrder order) {
      return linear -> linear.with(order, linear.tiedTo, linear.biased, linear.transposed);
    }

    /** Hugging Face files may call it so too. */
    static Trait alias(String name) {
      return linear -> linear.found(name, linear.biasModule, linear.stack);
    }

    /** Hugging Face files may have those of all experts in one tensor. */
    static Trait stacked(String name, int part, int parts) {
      return linear -> linear.found(linear.alias, linear.biasModule, new Stack(name, part, parts));
    }

    /** In Hugging Face files another module has its bias. */
    static Trait biasIn(String module) {
      return linear -> linear.found(linear.alias, module, linear.stack);
    }

    Parameter applyTo(Parameter linear);
  }

  static Parameter plain(
      Role role,
      Kind kind,
      String huggingFace,
      String gguf,
      Width rows,
      Width columns,
      Role reads,
      boolean biased) {
    return new Parameter(
        role,
        kind,
        huggingFace,
        gguf,
        rows,
        columns,
        reads,
        RowOrder.SAME,
        null,
        biased,
        false,
        null,
        null,
        null);
  }

  public Optional<Role> tied() {
    return Optional.ofNullable(tiedTo);
  }

  /** Whether it is a matrix of weights, not a norm's vector or a list of indices. */
  public boolean isMatrix() {
    return kind == Kind.EMBEDDING || kind == Kind.LINEAR;
  }

  /** Whether files may have a bias beside it. */
  public boolean mayHaveBias() {
    return kind == Kind.NORM || kind == Kind.LINEAR;
  }

  /** Whether each expert has one. */
  public boolean perExpert() {
    return huggingFace.contains("{e}");
  }

  private Parameter with(RowOrder order, Role tie, boolean withBias, boolean turned) {
    return new Parameter(
        role,
        kind,
        huggingFace,
        gguf,
        rows,
        columns,
        reads,
        order,
        tie,
        withBias,
        turned,
        alias,
        biasModule,
        stack);
  }

  private Parameter found(String otherName, String ofBias, Stack inStack) {
    return new Parameter(
        role,
        kind,
        huggingFace,
        gguf,
        rows,
        columns,
        reads,
        ggufRows,
        tiedTo,
        biased,
        transposed,
        otherName,
        ofBias,
        inStack);
  }

  /** Whether its rows are each head's query, key and value, and not all queries first. */
  public boolean groupedByHead() {
    return ggufRows == RowOrder.UNGROUPED;
  }
}
