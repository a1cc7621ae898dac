package ai.lathe.tensor;

/**
 * SpQR's dense part. With {@code q} a weight's code, {@code q_s} and {@code q_z} those of its
 * group, and {@code t} the tile of rows that its row is in:
 *
 * <pre>
 *   s = S_s[t] (q_s - Z_s[t])      z = S_z[t] (q_z - Z_z[t])      w = s (q - z)
 * </pre>
 *
 * @param rows output features
 * @param columns input features, a multiple of the group size
 * @param codes {@code q [rows * columns]}, unsigned, by input whatever the order
 * @param scaleCodes {@code q_s [rows * groups]}, unsigned
 * @param zeroCodes {@code q_z [rows * groups]}, unsigned
 * @param second {@code S_s, Z_s, S_z, Z_z} one after the other: F16 {@code [4, groups, tiles]}
 * @param order the input at each stored position; group {@code g} is of positions {@code [g *
 *     groupSize, (g + 1) * groupSize)}; null where they are stored as they are
 * @see <a href="https://arxiv.org/abs/2306.03078">Dettmers et al., SpQR, 2023</a>
 */
public record BilevelQuantized(
    Encoding.Bilevel encoding,
    int rows,
    int columns,
    byte[] codes,
    byte[] scaleCodes,
    byte[] zeroCodes,
    Tensor second,
    int[] order)
    implements LinearWeight {

  public BilevelQuantized {
    long groups = encoding.groups(columns);
    if (columns % encoding.groupSize() != 0
        || codes.length != (long) rows * columns
        || scaleCodes.length != rows * groups
        || zeroCodes.length != rows * groups
        || second.dtype() != DType.F16
        || second.rows() != 4
        || second.elements() != 4 * groups * encoding.tiles(rows)
        || encoding.permuted() != (order != null)
        || (order != null && order.length != columns)) {
      throw new LatheException(
          "a %d x %d weight of %s does not have these parts"
              .formatted(rows, columns, encoding.label()));
    }
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    int size = encoding.groupSize();
    int groups = encoding.groups(columns);
    int tiles = encoding.tiles(rows);
    var shared = second.toFloats();
    for (int g = 0; g < groups; g++) {
      for (int row = from; row < to; row++) {
        int at = g * tiles + row / encoding.tall();
        int index = row * groups + g;
        float scale = shared[at] * ((scaleCodes[index] & 0xFF) - shared[groups * tiles + at]);
        float zero =
            shared[2 * groups * tiles + at]
                * ((zeroCodes[index] & 0xFF) - shared[3 * groups * tiles + at]);
        int out = offset + (row - from) * columns;
        for (int position = g * size; position < (g + 1) * size; position++) {
          int j = order == null ? position : order[position];
          target[out + j] = scale * ((codes[row * columns + j] & 0xFF) - zero);
        }
      }
    }
  }
}
