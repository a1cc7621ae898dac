package ai.lathe.compress.factorization.module;

import ai.lathe.compress.factorization.Doubles;
import ai.lathe.format.WeightCodec;
import ai.lathe.model.Address;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * The weights and biases of one block in smaller widths. What keeps its width keeps its weights.
 */
final class NarrowBlock {

  private final Checkpoint model;
  private final int block;
  private final BlockWidths whole;
  private final BlockWidths widths;
  private final int group;
  private final Map<Address, Tensor> tensors = new LinkedHashMap<>();

  private NarrowBlock(Checkpoint model, int block, BlockWidths widths) {
    this.model = model;
    this.block = block;
    this.widths = widths;
    this.whole = model.config().widths(block);
    this.group = model.config().heads() / model.config().keyValueHeads();
  }

  /**
   * @param ridge of leverage scores
   * @return what differs from the model's own, each in the model's element type
   */
  static Map<Address, Tensor> of(
      Checkpoint model, int block, BlockWidths widths, BlockMoments moments, double ridge) {
    var narrow = new NarrowBlock(model, block, widths);
    if (widths.keySize() < narrow.whole.keySize()) {
      narrow.queriesAndKeys(moments.heads().orElseThrow());
    }
    if (widths.valueSize() < narrow.whole.valueSize()) {
      narrow.values(moments.heads().orElseThrow());
    }
    if (widths.feedForward() < narrow.whole.feedForward()) {
      narrow.feedForward(moments.inner().orElseThrow(), ridge);
    }
    return narrow.tensors;
  }

  private void queriesAndKeys(BlockMoments.Heads heads) {
    boolean paired = model.config().rope(block) != null;
    int head = whole.keySize();
    var scores =
        QueryKey.scores(
            heads.queries(), heads.keys(), model.config().keyValueHeads(), head, paired);
    var kept = QueryKey.selected(scores, paired ? widths.keySize() / 2 : widths.keySize());
    var keys = new ArrayList<Integer>();
    var queries = new ArrayList<Integer>();
    for (int h = 0; h < kept.length; h++) {
      int[] features = QueryKey.features(kept[h], head, paired);
      append(keys, features, h * head);
      for (int g = 0; g < group; g++) {
        append(queries, features, (h * group + g) * head);
      }
    }
    rows(Role.QUERY, array(queries));
    rows(Role.KEY, array(keys));
    if (paired) {
      var pairs =
          Arrays.stream(kept)
              .map(units -> Arrays.stream(units).boxed().toList())
              .collect(Collectors.toList());
      tensors.put(Address.weight(block, Role.ROTARY_PAIRS), new RotaryPairs(pairs).tensor());
    }
  }

  private static void append(List<Integer> all, int[] features, int offset) {
    for (int feature : features) {
      all.add(offset + feature);
    }
  }

  private static int[] array(List<Integer> values) {
    return values.stream().mapToInt(Integer::intValue).toArray();
  }

  private void values(BlockMoments.Heads heads) {
    int head = whole.valueSize();
    int size = widths.valueSize();
    var value = weight(Role.VALUE);
    var output = weight(Role.ATTENTION_OUTPUT);
    var bias = model.vector(Address.weight(block, Role.VALUE).bias());
    var ofBias = bias.map(vector -> new Matrix(value.rows(), 1, vector.toFloats()));
    var narrowValue = Matrix.zeros(heads.values().size() * size, value.columns());
    var narrowOutput = Matrix.zeros(output.rows(), model.config().heads() * size);
    var narrowBias = Matrix.zeros(narrowValue.rows(), 1);
    for (int h = 0; h < heads.values().size(); h++) {
      var columns = new ArrayList<Matrix>();
      for (int g = 0; g < group; g++) {
        columns.add(columns(output, range((h * group + g) * head, head)));
      }
      var basis = ValueOutput.of(heads.values().get(h), columns, size);
      int[] own = range(h * head, head);
      putRows(product(basis.values(), rows(value, own)), narrowValue, h * size);
      if (ofBias.isPresent()) {
        putRows(product(basis.values(), rows(ofBias.get(), own)), narrowBias, h * size);
      }
      for (int g = 0; g < group; g++) {
        var narrow = product(columns.get(g), basis.outputs());
        putColumns(narrow, narrowOutput, (h * group + g) * size);
      }
    }
    put(Role.VALUE, narrowValue);
    put(Role.ATTENTION_OUTPUT, narrowOutput);
    bias.ifPresent(
        vector -> {
          var address = Address.weight(block, Role.VALUE).bias();
          var values = Tensor.ofFloats(narrowBias.values(), narrowBias.rows());
          tensors.put(address, values.to(vector.dtype(), Arena.ofAuto()));
        });
  }

  private void feedForward(Matrix gram, double ridge) {
    int[] kept = Nystroem.greatest(Nystroem.leverage(gram, ridge), widths.feedForward());
    if (model.architecture().has(Role.GATE)) {
      rows(Role.GATE, kept);
    }
    rows(Role.UP, kept);
    put(Role.DOWN, Nystroem.refitted(weight(Role.DOWN), gram, kept));
  }

  private Matrix weight(Role role) {
    return model.matrix(block, role).decode();
  }

  /** Some rows of a weight, and of its bias. */
  private void rows(Role role, int[] kept) {
    put(role, rows(weight(role), kept));
    var address = Address.weight(block, role).bias();
    model
        .vector(address)
        .ifPresent(
            bias -> {
              var all = bias.toFloats();
              var some = new float[kept.length];
              for (int i = 0; i < kept.length; i++) {
                some[i] = all[kept[i]];
              }
              var tensor = Tensor.ofFloats(some, kept.length).to(bias.dtype(), Arena.ofAuto());
              tensors.put(address, tensor);
            });
  }

  /** In the type that the model has it in; what is compressed already in half precision. */
  private void put(Role role, Matrix weight) {
    var address = Address.weight(block, role);
    var type =
        switch (model.matrix(address).encoding()) {
          case Encoding.Plain(DType plain) when plain != DType.F64 -> plain;
          case Encoding.Plain _ -> DType.F32;
          default -> WeightCodec.scaleType(model.config().dtype());
        };
    var floats = Tensor.ofFloats(weight.values(), weight.rows(), weight.columns());
    tensors.put(address, type == DType.F32 ? floats : floats.to(type, Arena.ofAuto()));
  }

  private static int[] range(int from, int count) {
    return IntStream.range(from, from + count).toArray();
  }

  private static Matrix rows(Matrix matrix, int[] kept) {
    int columns = matrix.columns();
    var rows = Matrix.zeros(kept.length, columns);
    for (int i = 0; i < kept.length; i++) {
      System.arraycopy(matrix.values(), kept[i] * columns, rows.values(), i * columns, columns);
    }
    return rows;
  }

  private static Matrix columns(Matrix matrix, int[] kept) {
    var columns = Matrix.zeros(matrix.rows(), kept.length);
    for (int i = 0; i < matrix.rows(); i++) {
      for (int j = 0; j < kept.length; j++) {
        columns.set(i, j, matrix.at(i, kept[j]));
      }
    }
    return columns;
  }

  private static void putRows(Matrix from, Matrix to, int row) {
    System.arraycopy(from.values(), 0, to.values(), row * to.columns(), from.values().length);
  }

  private static void putColumns(Matrix from, Matrix to, int column) {
    for (int i = 0; i < from.rows(); i++) {
      System.arraycopy(
          from.values(),
          i * from.columns(),
          to.values(),
          i * to.columns() + column,
          from.columns());
    }
  }

  /** In float64. */
  private static Matrix product(Matrix a, Matrix b) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      return Doubles.matrix(Doubles.of(a).mm(Doubles.of(b)));
    }
  }
}
