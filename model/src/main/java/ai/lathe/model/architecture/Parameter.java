package ai.lathe.model.architecture;

import java.util.Optional;

/**
 * One parameter of an architecture: what it is, what files call it, its shape, and what it reads.
 *
 * @param huggingFace name without {@code .weight}, relative to the block where it stands in one
 * @param gguf likewise in GGUF; null where GGUF has no name for it
 * @param rows outermost dimension; a norm's only one
 * @param columns input features; null for a norm
 * @param reads for a linear: the parameter whose output is its input. Linears of a block that read
 *     the same share an input
 * @param ggufRows how its rows are ordered in GGUF
 * @param tiedTo another parameter whose value it takes where the file does not have it
 * @param required a model without it is broken; biases are always optional
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
    boolean required) {

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

  public Optional<Role> tied() {
    return Optional.ofNullable(tiedTo);
  }
}
