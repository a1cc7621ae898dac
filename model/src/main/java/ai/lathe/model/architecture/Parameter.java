package ai.lathe.model.architecture;

import java.util.Optional;

/**
 * One parameter of an architecture: what it is, what files call it, its shape, and what it reads.
 *
 * @param huggingFace name without {@code .weight}, relative to the block where it stands in one
 * @param gguf likewise in GGUF
 * @param rows outermost dimension; a norm's only one
 * @param columns input features; null for a norm
 * @param reads for a linear: the parameter whose output is its input. Linears of a block that read
 *     the same share an input
 * @param ggufRows how its rows are ordered in GGUF
 * @param tiedTo another parameter whose value it takes where the file does not have it, or null
 * @param biased a model without its bias is broken. Otherwise a bias is used where the file has one
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
    boolean biased) {

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

    Parameter applyTo(Parameter linear);
  }

  public Optional<Role> tied() {
    return Optional.ofNullable(tiedTo);
  }

  /** Whether it is a matrix, not a norm's vector. */
  public boolean isMatrix() {
    return kind != Kind.NORM;
  }

  private Parameter with(RowOrder order, Role tie, boolean withBias) {
    return new Parameter(role, kind, huggingFace, gguf, rows, columns, reads, order, tie, withBias);
  }
}
