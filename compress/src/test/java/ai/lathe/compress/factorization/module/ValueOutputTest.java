package ai.lathe.compress.factorization.module;

import static ai.lathe.compress.factorization.module.Features.energy;
import static ai.lathe.compress.factorization.module.Features.gram;
import static ai.lathe.compress.factorization.module.Features.product;
import static ai.lathe.compress.factorization.module.Features.related;
import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.factorization.Doubles;
import ai.lathe.tensor.Matrix;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ValueOutputTest {

  private static final int HIDDEN = 20;
  private static final int HEAD = 8;
  private final Matrix x = related(HIDDEN, 400, 4, 1);
  private final Matrix w = gaussian(HEAD, HIDDEN, 5);
  private final Matrix v = product(w, x);
  private final List<Matrix> group =
      List.of(gaussian(HIDDEN, HEAD, 6), gaussian(HIDDEN, HEAD, 7), gaussian(HIDDEN, HEAD, 8));

  /** Of what the heads of a group give, where all read the same. */
  private double error(ValueOutput narrow, List<Matrix> columns) {
    double sum = 0;
    for (var o : columns) {
      var before = product(o, v);
      var after = product(product(o, narrow.outputs()), product(narrow.values(), v));
      sum += Features.error(before, after) * energy(before);
    }
    return sum;
  }

  @Test
  void wholeHeadsGiveWhatTheyGave() {
    for (var columns : List.of(group, group.subList(0, 1))) {
      var whole = ValueOutput.of(gram(v), columns, HEAD);
      assertThat(error(whole, columns)).isLessThan(1e-9 * energy(product(group.getFirst(), v)));
    }
  }

  @Test
  void valuesThatAreAlwaysZeroDoNoHarm() {
    var still = v.copy();
    Arrays.fill(still.values(), 0, 3 * still.columns(), 0);
    var whole = ValueOutput.of(gram(still), group, HEAD);
    var identity = product(whole.outputs(), whole.values());
    for (int i = 0; i < HEAD; i++) {
      for (int j = 0; j < HEAD; j++) {
        assertThat((double) identity.at(i, j)).isCloseTo(i == j ? 1 : 0, within(1e-4));
      }
    }
    var nothing = ValueOutput.of(Matrix.zeros(HEAD, HEAD), group, 2);
    for (float value : nothing.values().values()) {
      assertThat(value).isFinite();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 5, 7})
  void whatIsLostIsTheTailOfSingularValues(int size) {
    var o = group.getFirst();
    // The literal way: singular values of C^(1/2) V O.
    double tail = 0;
    try (var _ = new PointerScope()) {
      var pair = torch.linalg_eigh(Doubles.of(gram(x)));
      var root =
          pair.get1()
              .mul(pair.get0().clamp_min(Doubles.scalar(0)).sqrt().unsqueeze(0))
              .mm(pair.get1().t());
      var values = torch.linalg_svdvals(root.mm(Doubles.of(w).t()).mm(Doubles.of(o).t()));
      for (double s : Arrays.copyOfRange(Doubles.array(values), size, HEAD)) {
        tail += s * s;
      }
    }
    var narrow = ValueOutput.of(gram(v), List.of(o), size);
    // Within what the ridge changes.
    assertThat(error(narrow, List.of(o))).isCloseTo(tail, within(1e-4 * tail));
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 4, 6})
  void aGroupSharesABetterBasisThanThatOfItsValuesAlone(int size) {
    var narrow = ValueOutput.of(gram(v), group, size);
    ValueOutput plain;
    try (var _ = new PointerScope()) {
      var vectors = torch.linalg_eigh(Doubles.of(gram(v))).get1().flip(1).narrow(1, 0, size);
      plain = new ValueOutput(Doubles.matrix(vectors.t()), Doubles.matrix(vectors));
    }
    assertThat(error(narrow, group)).isLessThan(error(plain, group));
  }

  @Test
  void columnsAreAsLongAsBefore() {
    var o = group.getFirst();
    var columns = product(o, ValueOutput.of(gram(v), List.of(o), 4).outputs());
    double mean = energy(o) / HEAD;
    for (int j = 0; j < 4; j++) {
      double length = 0;
      for (int i = 0; i < HIDDEN; i++) {
        length += Math.pow(columns.at(i, j), 2);
      }
      assertThat(length).isCloseTo(mean, within(1e-4 * mean));
    }
  }
}
