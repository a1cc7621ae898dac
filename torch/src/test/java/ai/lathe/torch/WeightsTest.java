package ai.lathe.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

class WeightsTest {

  @ParameterizedTest
  @EnumSource(
      names = {"F32", "F16", "BF16", "F64", "F8_E4M3"},
      mode = Mode.INCLUDE)
  void plainTypesGiveTheirValues(DType type) {
    try (var _ = new PointerScope();
        var arena = Arena.ofConfined()) {
      var tensor = random(50, 30).to(type, arena);
      var actual = Torch.floats(Weights.of(new Dense(tensor), Precision.FLOAT32));
      assertThat(actual).isEqualTo(tensor.toFloats());
    }
  }

  @Test
  void mappedFloatsAreNotCopied() {
    try (var _ = new PointerScope();
        var arena = Arena.ofConfined()) {
      var data = arena.allocate(24, 8);
      data.fill((byte) 0x3f);
      var tensor = new Tensor(DType.F32, new long[] {2, 3}, data);
      var torch = Weights.of(new Dense(tensor), Precision.FLOAT32);
      assertThat(torch.data_ptr().address()).isEqualTo(data.address());
    }
  }

  @Test
  void dataThatIsNotAlignedIsCopied() {
    try (var _ = new PointerScope();
        var arena = Arena.ofConfined()) {
      var source = random(2, 3);
      var data = arena.allocate(25, 8).asSlice(1, 24);
      data.copyFrom(source.data());
      var tensor = new Tensor(DType.F32, new long[] {2, 3}, data);
      var torch = Weights.of(new Dense(tensor), Precision.FLOAT32);
      assertThat(torch.data_ptr().address() % 4).isZero();
      assertThat(Torch.floats(torch)).isEqualTo(source.toFloats());
    }
  }

  /** Large enough for many tasks, the last one smaller. */
  @Test
  void quantizedWeightsAreDecodedRowForRow() {
    int rows = 1001;
    int columns = 700;
    var random = new SplittableRandom(3);
    var codes = new byte[rows * columns];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = (byte) (random.nextInt(16) - 8);
    }
    var scheme = new IntegerScheme(4, 100, true, Activations.NONE);
    var weight = new GroupQuantized(scheme, rows, columns, codes, random(rows, 7), null);
    try (var _ = new PointerScope()) {
      var actual = Torch.floats(Weights.of(weight, Precision.FLOAT32));
      assertThat(actual).isEqualTo(weight.decode().values());
    }
  }

  private static Tensor random(long... shape) {
    return TinyModel.gaussian(new SplittableRandom(1), 0, 1, shape);
  }
}
