package ai.lathe.runtime.execution;

import static ai.lathe.model.architecture.Role.ATTENTION_OUTPUT;
import static ai.lathe.model.architecture.Role.DOWN;

import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.NarrowedCheckpoint;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * A model without some inner features of its blocks, chosen at random: once with narrower matrices,
 * once with matrices as they were and zeros in these features' places, which computes the same.
 *
 * @param narrow reads its other weights from the source
 * @param zeroed likewise
 */
record SlicedModel(Checkpoint narrow, Checkpoint zeroed) {

  static SlicedModel of(Checkpoint source, List<BlockWidths> widths, long seed) {
    var random = new Random(seed);
    var config = source.config();
    var matrices = new HashMap<Address, LinearWeight>();
    var vectors = new HashMap<Address, Tensor>();
    var zeroed = new HashMap<Address, LinearWeight>();
    var zeroedVectors = new HashMap<Address, Tensor>();
    for (int block = 0; block < widths.size(); block++) {
      var kept = Kept.of(config, widths.get(block), block, random);
      if (widths.get(block).keySize() != config.headSize() && config.rope(block) != null) {
        vectors.put(Address.weight(block, Role.ROTARY_PAIRS), kept.pairs().tensor());
      }
      for (var address : source.addresses()) {
        if (address.block() != block || !kept.has(address.role())) {
          continue;
        }
        int[] rows = kept.rows(address.role());
        if (address.part() == Part.BIAS) {
          source
              .vector(address)
              .ifPresent(
                  bias -> {
                    float[] values = values(bias);
                    vectors.put(address, vector(picked(values, rows, 1)));
                    zeroedVectors.put(address, vector(zeroed(values, rows, 1)));
                  });
        } else {
          var weight = source.matrix(address);
          int columns = weight.columns();
          float[] values = weight.decode().values();
          zeroed.put(address, matrix(zeroed(values, rows, columns), columns));
          int[] inner = kept.columns(address.role());
          float[] picked = columns(picked(values, rows, columns), inner, columns);
          matrices.put(address, matrix(picked, inner == null ? columns : inner.length));
        }
      }
    }
    return new SlicedModel(
        new NarrowedCheckpoint(source, widths, matrices, vectors),
        new Zeroed(source, zeroed, zeroedVectors));
  }

  /** Features of a block that stay, of all heads; null where all of them do. */
  private record Kept(
      int[] queries,
      int[] keys,
      int[] values,
      int[] mixed,
      int[] inner,
      int[] gateAndUp,
      RotaryPairs pairs) {

    static Kept of(ModelConfig config, BlockWidths widths, int block, Random random) {
      int size = config.headSize();
      int group = config.heads() / config.keyValueHeads();
      boolean turns = config.rope(block) != null;
      var queries = new ArrayList<Integer>();
      var keys = new ArrayList<Integer>();
      var values = new ArrayList<Integer>();
      var mixed = new ArrayList<Integer>();
      var pairs = new ArrayList<List<Integer>>();
      for (int head = 0; head < config.keyValueHeads(); head++) {
        var own = some(turns ? size / 2 : size, widths.keySize() / (turns ? 2 : 1), random);
        pairs.add(own);
        var features = new ArrayList<>(own);
        if (turns) {
          own.forEach(pair -> features.add(pair + size / 2));
        }
        var valueFeatures = some(size, widths.valueSize(), random);
        put(keys, features, head * size);
        put(values, valueFeatures, head * size);
        for (int query = head * group; query < (head + 1) * group; query++) {
          put(queries, features, query * size);
          put(mixed, valueFeatures, query * size);
        }
      }
      var inner = some(config.feedForward(), widths.feedForward(), random);
      var gateAndUp = new ArrayList<>(inner);
      put(gateAndUp, inner, config.feedForward());
      return new Kept(
          array(queries),
          array(keys),
          array(values),
          array(mixed),
          array(inner),
          array(gateAndUp),
          new RotaryPairs(pairs));
    }

    private static List<Integer> some(int of, int count, Random random) {
      var all = new ArrayList<>(IntStream.range(0, of).boxed().toList());
      Collections.shuffle(all, random);
      return all.subList(0, count).stream().sorted().toList();
    }

    private static void put(List<Integer> all, List<Integer> features, int from) {
      features.forEach(feature -> all.add(from + feature));
    }

    private static int[] array(List<Integer> list) {
      return list.stream().mapToInt(i -> i).toArray();
    }

    boolean has(Role role) {
      return rows(role) != null || columns(role) != null;
    }

    int[] rows(Role role) {
      return switch (role) {
        case QUERY -> queries;
        case KEY -> keys;
        case VALUE -> values;
        case GATE, UP -> inner;
        case GATE_UP -> gateAndUp;
        default -> null;
      };
    }

    int[] columns(Role role) {
      return role == ATTENTION_OUTPUT ? mixed : role == DOWN ? inner : null;
    }
  }

  private static float[] values(Tensor tensor) {
    var values = new float[(int) tensor.elements()];
    tensor.copyFloats(0, values, 0, values.length);
    return values;
  }

  private static Tensor vector(float[] values) {
    return Tensor.ofFloats(values, values.length);
  }

  private static LinearWeight matrix(float[] values, int columns) {
    return new Dense(Tensor.ofFloats(values, values.length / columns, columns));
  }

  private static float[] picked(float[] values, int[] rows, int columns) {
    if (rows == null) {
      return values;
    }
    var picked = new float[rows.length * columns];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(values, rows[i] * columns, picked, i * columns, columns);
    }
    return picked;
  }

  private static float[] zeroed(float[] values, int[] rows, int columns) {
    var zeroed = rows == null ? values.clone() : new float[values.length];
    for (int i = 0; rows != null && i < rows.length; i++) {
      int at = rows[i] * columns;
      System.arraycopy(values, at, zeroed, at, columns);
    }
    return zeroed;
  }

  private static float[] columns(float[] values, int[] kept, int columns) {
    if (kept == null) {
      return values;
    }
    int rows = values.length / columns;
    var picked = new float[rows * kept.length];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < kept.length; j++) {
        picked[i * kept.length + j] = values[i * columns + kept[j]];
      }
    }
    return picked;
  }

  /** Other weights in some places. */
  private static final class Zeroed extends CheckpointView {
    private final Map<Address, LinearWeight> matrices;
    private final Map<Address, Tensor> vectors;

    Zeroed(Checkpoint source, Map<Address, LinearWeight> matrices, Map<Address, Tensor> vectors) {
      super(source);
      this.matrices = matrices;
      this.vectors = vectors;
    }

    @Override
    public LinearWeight matrix(Address address) {
      return matrices.containsKey(address) ? matrices.get(address) : source.matrix(address);
    }

    @Override
    public Optional<Tensor> vector(Address address) {
      return vectors.containsKey(address)
          ? Optional.of(vectors.get(address))
          : source.vector(address);
    }
  }

  /** Widths of all blocks, one of these after the other, and again. */
  static List<BlockWidths> cycled(int blocks, BlockWidths... widths) {
    return IntStream.range(0, blocks).mapToObj(block -> widths[block % widths.length]).toList();
  }
}
