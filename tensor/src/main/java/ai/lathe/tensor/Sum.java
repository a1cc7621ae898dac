package ai.lathe.tensor;

import java.util.List;

/**
 * The sum of several weights, for example of a quantized one and its sparse corrections.
 *
 * @param parts at least one, all of one shape
 */
public record Sum(List<LinearWeight> parts) implements LinearWeight {

  public Sum {
    parts = List.copyOf(parts);
    if (parts.isEmpty()) {
      throw new LatheException("a sum has at least one part");
    }
    for (var part : parts) {
      if (part.rows() != parts.getFirst().rows() || part.columns() != parts.getFirst().columns()) {
        throw new LatheException(
            "weights of %d x %d and %d x %d have no sum"
                .formatted(
                    parts.getFirst().rows(),
                    parts.getFirst().columns(),
                    part.rows(),
                    part.columns()));
      }
    }
  }

  @Override
  public int rows() {
    return parts.getFirst().rows();
  }

  @Override
  public int columns() {
    return parts.getFirst().columns();
  }

  @Override
  public Encoding encoding() {
    return new Encoding.Sum(parts.stream().map(LinearWeight::encoding).toList());
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    parts.getFirst().decodeRows(from, to, target, offset);
    if (parts.size() == 1) {
      return;
    }
    var part = new float[(to - from) * columns()];
    for (var other : parts.subList(1, parts.size())) {
      other.decodeRows(from, to, part, 0);
      for (int i = 0; i < part.length; i++) {
        target[offset + i] += part[i];
      }
    }
  }
}
