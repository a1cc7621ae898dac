package ai.lathe.torch;

import ai.lathe.model.Address;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.NarrowedCheckpoint;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Which inner features of a model's blocks stay.
 *
 * @param blocks for each block
 */
record Slices(List<Kept> blocks) {

  /**
   * Of one block, ascending.
   *
   * @param feedForward inner features
   * @param keys features of each key head, and so of its query heads: with rotary positions indices
   *     below half the head, each standing for a pair
   * @param values features of each value head
   */
  record Kept(int[] feedForward, int[][] keys, int[][] values) {}

  /** Of each block, and for each of its heads, other ones. */
  static Slices random(ModelConfig config, int[] feedForward, int[] keys, int[] values) {
    var random = new SplittableRandom(5);
    var all = new ArrayList<Kept>();
    int head = config.headSize();
    for (int block = 0; block < config.blocks(); block++) {
      int k = keys[block];
      int v = values[block];
      all.add(
          new Kept(
              some(random, feedForward[block], config.feedForward()),
              heads(config, () -> some(random, k, config.rope() == null ? head : head / 2)),
              heads(config, () -> some(random, v, head))));
    }
    return new Slices(all);
  }

  private static int[][] heads(ModelConfig config, java.util.function.Supplier<int[]> each) {
    return Stream.generate(each).limit(config.keyValueHeads()).toArray(int[][]::new);
  }

  private static int[] some(SplittableRandom random, int count, int of) {
    var all = IntStream.range(0, of).boxed().collect(java.util.stream.Collectors.toList());
    java.util.Collections.shuffle(all, new java.util.Random(random.nextLong()));
    return all.stream().mapToInt(i -> i).limit(count).sorted().toArray();
  }

  /** The model without the other features. */
  NarrowedCheckpoint of(Checkpoint wide) {
    var config = wide.config();
    var matrices = new LinkedHashMap<Address, LinearWeight>();
    var vectors = new LinkedHashMap<Address, Tensor>();
    var widths = new ArrayList<BlockWidths>();
    for (var kept : blocks) {
      int pair = config.rope() == null ? 1 : 2;
      int key = pair * kept.keys[0].length;
      widths.add(new BlockWidths(kept.feedForward.length, key, kept.values[0].length));
    }
    for (var address : wide.addresses()) {
      if (address.block() == Address.OUTSIDE) {
        continue;
      }
      var rows = rows(config, address);
      var columns = columns(config, address);
      if (address.isVector(wide.architecture())) {
        if (rows != null) {
          vectors.put(address, selected(wide.vector(address).orElseThrow(), rows, null));
        }
      } else if (rows != null || columns != null) {
        matrices.put(
            address, new Dense(selected(((Dense) wide.matrix(address)).tensor(), rows, columns)));
      }
    }
    for (int block = 0; block < config.blocks(); block++) {
      if (config.rope() != null && widths.get(block).keySize() < config.headSize()) {
        var pairs = Arrays.stream(blocks.get(block).keys).map(Slices::list).toList();
        vectors.put(Address.weight(block, Role.ROTARY_PAIRS), new RotaryPairs(pairs).tensor());
      }
    }
    return new NarrowedCheckpoint(wide, widths, matrices, vectors);
  }

  private static List<Integer> list(int[] values) {
    return Arrays.stream(values).boxed().toList();
  }

  /** The model with zeros in the rows, and their biases, that make the other features. */
  TinyModel zeroed(TinyModel wide) {
    Map<Address, Tensor> changed = new LinkedHashMap<>(wide.tensors());
    changed.replaceAll(
        (address, tensor) -> {
          var rows = address.block() == Address.OUTSIDE ? null : rows(wide.config(), address);
          if (rows == null) {
            return tensor;
          }
          var values = tensor.toFloats();
          int width = (int) (tensor.elements() / tensor.rows());
          for (int row = 0; row < tensor.rows(); row++) {
            if (Arrays.binarySearch(sorted(rows), row) < 0) {
              Arrays.fill(values, row * width, (row + 1) * width, 0);
            }
          }
          return Tensor.ofFloats(values, tensor.shape());
        });
    return new TinyModel(wide.architecture(), wide.config(), changed);
  }

  private static int[] sorted(int[] rows) {
    var sorted = rows.clone();
    Arrays.sort(sorted);
    return sorted;
  }

  /** Rows that stay, in their new order; null where all do. */
  private int[] rows(ModelConfig config, Address address) {
    var kept = blocks.get(address.block());
    int group = config.heads() / config.keyValueHeads();
    return switch (address.role()) {
      case QUERY -> features(kept.keys, group, config.headSize(), config.rope() != null);
      case KEY -> features(kept.keys, 1, config.headSize(), config.rope() != null);
      case VALUE -> features(kept.values, 1, config.headSize(), false);
      case GATE, UP -> kept.feedForward;
      default -> null;
    };
  }

  private int[] columns(ModelConfig config, Address address) {
    var kept = blocks.get(address.block());
    int group = config.heads() / config.keyValueHeads();
    return switch (address.role()) {
      case ATTENTION_OUTPUT -> features(kept.values, group, config.headSize(), false);
      case DOWN -> kept.feedForward;
      default -> null;
    };
  }

  /** First features of the pairs of a head, then the second ones, a head after the other. */
  private static int[] features(int[][] ofHeads, int group, int head, boolean pairs) {
    return IntStream.range(0, ofHeads.length * group)
        .flatMap(
            h -> {
              var first = Arrays.stream(ofHeads[h / group]).map(i -> h * head + i);
              var second = Arrays.stream(ofHeads[h / group]).map(i -> h * head + head / 2 + i);
              return pairs ? IntStream.concat(first, second) : first;
            })
        .toArray();
  }

  private static Tensor selected(Tensor tensor, int[] rows, int[] columns) {
    var values = tensor.toFloats();
    int width = (int) (tensor.elements() / tensor.rows());
    var r = rows == null ? IntStream.range(0, (int) tensor.rows()).toArray() : rows;
    var c = columns == null ? IntStream.range(0, width).toArray() : columns;
    var result = new float[r.length * c.length];
    for (int i = 0; i < result.length; i++) {
      result[i] = values[r[i / c.length] * width + c[i % c.length]];
    }
    return tensor.shape().length == 1
        ? Tensor.ofFloats(result, r.length)
        : Tensor.ofFloats(result, r.length, c.length);
  }
}
