package ai.lathe.runtime.kernel.layout;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import java.util.Arrays;
import java.util.Optional;

/** Rows of integer codes in groups. */
final class GroupSource implements Packing.Source {

  private final GroupQuantized weight;
  private final Layout layout;
  private final int[] order;
  private final int[] groups;
  private final float[] scales;

  GroupSource(GroupQuantized weight, Layout layout) {
    this.weight = weight;
    this.layout = layout;
    this.order = weight.groupIndex() == null ? null : byGroup(weight.groupIndex());
    this.groups = groups(weight, order, layout.group());
    this.scales = new float[weight.scheme().groups(weight.columns())];
  }

  static Optional<Layout> layout(GroupQuantized weight) {
    var scheme = weight.scheme();
    boolean wide = scheme.bits() > 4;
    if (scheme.groupSize() == IntegerScheme.CHANNEL
        && wide
        && scheme.symmetric()
        && rowInput(weight)) {
      return Optional.of(new Layout(8, 32, Sides.ROW));
    }
    var sides = scheme.symmetric() ? Sides.F16 : Sides.F16_MIN;
    var order = weight.groupIndex() == null ? null : byGroup(weight.groupIndex());
    for (int group = 32; group >= 16; group /= 2) {
      if (groups(weight, order, group) != null) {
        return Optional.of(new Layout(wide ? 8 : 4, group, sides));
      }
    }
    return Optional.empty();
  }

  /** Whether inputs have one scale for all columns. */
  private static boolean rowInput(GroupQuantized weight) {
    return weight.activations() instanceof Activations.PerToken
        || weight.activations() instanceof Activations.PerTensor;
  }

  /** Columns sorted by their groups, those of a group in their order. */
  private static int[] byGroup(int[] groupIndex) {
    var starts = new int[Arrays.stream(groupIndex).max().orElse(0) + 2];
    for (int group : groupIndex) {
      starts[group + 1]++;
    }
    for (int g = 1; g < starts.length; g++) {
      starts[g] += starts[g - 1];
    }
    var order = new int[groupIndex.length];
    for (int j = 0; j < groupIndex.length; j++) {
      order[starts[groupIndex[j]]++] = j;
    }
    return order;
  }

  /** The weight's group of each packed group; null where a packed one has columns of several. */
  private static int[] groups(GroupQuantized weight, int[] order, int size) {
    int columns = weight.columns();
    int stored = weight.scheme().groupSize();
    int width = stored == IntegerScheme.CHANNEL ? columns : stored;
    var groups = new int[Math.ceilDiv(columns, size)];
    for (int j = 0; j < columns; j++) {
      int group = order == null ? j / width : weight.groupIndex()[order[j]];
      if (j % size == 0) {
        groups[j / size] = group;
      } else if (groups[j / size] != group) {
        return null;
      }
    }
    return groups;
  }

  @Override
  public int[] order() {
    return order;
  }

  @Override
  public void read(int row, PackedRow target) {
    int columns = weight.columns();
    int at = row * columns;
    if (order == null) {
      System.arraycopy(weight.codes(), at, target.codes, 0, columns);
    } else {
      for (int j = 0; j < columns; j++) {
        target.codes[j] = weight.codes()[at + order[j]];
      }
    }
    // Unsigned codes are those of the scheme plus 8, so their zero is 8 higher.
    int raised = layout.bits() == 4 && layout.sides().minima() ? 8 : 0;
    for (int j = 0; raised != 0 && j < columns; j++) {
      target.codes[j] += (byte) raised;
    }
    weight.scales().copyFloats((long) row * scales.length, scales, 0, scales.length);
    boolean channel = scales.length == 1;
    if (channel) {
      target.factor = scales[0];
    }
    if (layout.sides() == Sides.ROW) {
      return;
    }
    target.minimaInScales = layout.sides().minima();
    for (int g = 0; g < groups.length; g++) {
      target.scales[g] = channel ? 1 : scales[groups[g]];
      if (layout.sides().minima()) {
        target.minima[g] = weight.zeros()[row * scales.length + groups[g]] + raised;
      }
    }
  }
}
