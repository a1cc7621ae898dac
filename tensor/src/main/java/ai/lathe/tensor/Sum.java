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
    rowDecoder().decode(from, to, target, offset);
  }

  @Override
  public RowDecoder rowDecoder() {
    int columns = columns();
    var decoders = parts.stream().map(LinearWeight::rowDecoder).toArray(RowDecoder[]::new);
    var memory = new float[1][0];
    return (from, to, target, offset) -> {
      decoders[0].decode(from, to, target, offset);
      int count = (to - from) * columns;
      if (decoders.length > 1 && memory[0].length < count) {
        memory[0] = new float[count];
      }
      var part = memory[0];
      for (int p = 1; p < decoders.length; p++) {
        decoders[p].decode(from, to, part, 0);
        for (int i = 0; i < count; i++) {
          target[offset + i] += part[i];
        }
      }
    };
  }
}
