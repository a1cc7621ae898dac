package ai.lathe.compress.quantization;

import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.BlockScales;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.linalg.Parallel;
import java.lang.foreign.Arena;
import java.util.Optional;

/**
 * The grid of a GGUF block type. A block's scales are fitted together, then each weight is rounded
 * to the nearest level of its group: {@code value = scale * level(code) + offset}.
 */
public record BlockGrid(BlockType type) implements Grid {

  @Override
  public Encoding encoding() {
    return new Encoding.Blocked(type);
  }

  @Override
  public Optional<String> refusal(int columns) {
    return columns % type.size() == 0
        ? Optional.empty()
        : Optional.of(
            "blocks of %d (%s) do not divide rows of %d"
                .formatted(type.size(), type.name(), columns));
  }

  @Override
  public int groupSize(int columns) {
    return type.size();
  }

  @Override
  public boolean anyGroups() {
    return false;
  }

  @Override
  public boolean weighsErrors() {
    return true;
  }

  @Override
  public Quantizer quantizer(int rows, int columns, int[] groupIndex, float[] importance) {
    return new Rounding(rows, columns, groupIndex, importance);
  }

  private final class Rounding implements Quantizer {
    private final int rows;
    private final int columns;
    private final int perRow;
    private final float[] importance;
    private final byte[] codes;
    private final BlockScales[] blocks;

    Rounding(int rows, int columns, int[] groupIndex, float[] importance) {
      refusal(columns)
          .ifPresent(
              reason -> {
                throw new LatheException(reason);
              });
      if (groupIndex != null) {
        throw new LatheException(
            type.name()
                + " stores neighbouring weights in a block; act-order"
                + " 'group' is for integer schemes, use 'static'");
      }
      this.rows = rows;
      this.columns = columns;
      this.perRow = columns / type.size();
      this.importance = importance;
      this.codes = new byte[Math.multiplyExact(rows, columns)];
      this.blocks = new BlockScales[rows * perRow];
    }

    @Override
    public void fit(int row, int group, float[] values, int at) {
      var x = java.util.Arrays.copyOfRange(values, at, at + type.size());
      var weights =
          importance == null
              ? null
              : java.util.Arrays.copyOfRange(
                  importance, group * type.size(), (group + 1) * type.size());
      blocks[row * perRow + group] = type.fit(x, 0, weights);
    }

    @Override
    public float round(int row, int column, float weight) {
      var block = blocks[row * perRow + column / type.size()];
      int group = column % type.size() / type.groupSize();
      float scale = block.scale()[group];
      float offset = block.offset()[group];
      // A zero scale leaves one value, whatever the code.
      int code = type.nearest(scale == 0 ? 0 : (weight - offset) / scale);
      codes[row * columns + column] = (byte) code;
      return scale * type.level(code) + offset;
    }

    @Override
    public LinearWeight finish() {
      var target = Arena.ofAuto().allocate(type.bytes(rows, columns), 8);
      Parallel.forEach(
          rows,
          row -> {
            for (int b = 0; b < perRow; b++) {
              int at = row * columns + b * type.size();
              long offset = ((long) row * perRow + b) * type.bytes();
              type.write(blocks[row * perRow + b], codes, at, target, offset);
            }
          });
      return new BlockQuantized(type, rows, columns, target);
    }
  }
}
