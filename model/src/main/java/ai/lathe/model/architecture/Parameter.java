package ai.lathe.model.architecture;

import java.util.Optional;

/**
 * One parameter of an architecture: what it is, what files call it, its shape, and what it reads.
 *
 * @param huggingFace name without {@code .weight}, relative to the block where it stands in one;
 *     {@code {e}} is the index of the expert where each has one
 * @param gguf likewise in GGUF, where one tensor {@code [experts, out, in]} holds those of all
 *     experts
 * @param rows outermost dimension; a norm's only one
 * @param columns input features; null for a norm
 * @param reads for a linear: the parameter whose output is its input. Linears of a block that read
 *     the same share an input
 * @param ggufRows how its rows are ordered in GGUF
 * @param tiedTo another parameter whose value it takes where the file does not have it, or null
 * @param biased a model without its bias is broken. Otherwise a bias is used where the file has one
 * @param alias another Hugging Face name that files may have, or null
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
    String alias,
    Stack stack) {

  public enum Kind {
    EMBEDDING,
    NORM,
    LINEAR
  }

  /** Order of the rows in a GGUF file, compared with Hugging Face's. */
  public enum RowOrder {
    SAME,
    /** Each head's two halves interleaved, for rotation of neighbouring pairs. */
    INTERLEAVED
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
    Trait BIASED = linear -> linear.with(linear.ggufRows, linear.tiedTo, true);

    /** In GGUF each head's two halves are interleaved. */
    Trait INTERLEAVED = linear -> linear.with(RowOrder.INTERLEAVED, linear.tiedTo, linear.biased);

    /** Takes the value of {@code other} where the file does not have it. */
    static Trait tiedTo(Role other) {
      return linear -> linear.with(linear.ggufRows, other, linear.biased);
    }

    /** Hugging Face files may call it so too. */
    static Trait alias(String name) {
      return linear -> linear.found(name, linear.stack);
    }

    /** Hugging Face files may have those of all experts in one tensor. */
    static Trait stacked(String name, int part, int parts) {
      return linear -> linear.found(linear.alias, new Stack(name, part, parts));
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
        null,
        null);
  }

  public Optional<Role> tied() {
    return Optional.ofNullable(tiedTo);
  }

  /** Whether it is a matrix, not a norm's vector. */
  public boolean isMatrix() {
    return kind != Kind.NORM;
  }

  /** Whether each expert has one. */
  public boolean perExpert() {
    return huggingFace.contains("{e}");
  }

  private Parameter with(RowOrder order, Role tie, boolean withBias) {
    return new Parameter(
        role, kind, huggingFace, gguf, rows, columns, reads, order, tie, withBias, alias, stack);
  }

  private Parameter found(String otherName, Stack inStack) {
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
        otherName,
        inStack);
  }
}
