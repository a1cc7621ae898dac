package ai.lathe.cli;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Sparse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** What becomes of the zeros of sparse matrices in a file that has no masks. */
final class WrittenZeros {

  private WrittenZeros() {}

  /** One line each; none where every mask stays. */
  static List<String> notes(Checkpoint source, Map<Address, Encoding> encodings) {
    int matrices = 0;
    var inexact = new TreeSet<String>();
    for (var entry : encodings.entrySet()) {
      if (entry.getValue() instanceof Encoding.Sparse
          || !(source.matrix(entry.getKey()) instanceof Sparse)) {
        continue;
      }
      matrices++;
      if (entry.getValue() instanceof Encoding.Blocked(BlockType type) && !type.holdsZero()) {
        inexact.add(type.name());
      }
    }
    var notes = new ArrayList<String>();
    if (matrices > 0) {
      notes.add("the zeros of %d sparse matrices are written out as values".formatted(matrices));
    }
    if (!inexact.isEmpty()) {
      notes.add(
          "%s cannot hold zero exactly: zeros of sparse matrices become small numbers"
              .formatted(String.join(", ", inexact)));
    }
    return notes;
  }
}
