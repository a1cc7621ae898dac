package ai.lathe.compress.factorization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import ai.lathe.tensor.linalg.View;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SharedDictionaryTest {

  private static final int OUT = 128;
  private static final int IN = 48;
  private static final int ATOMS = 24;
  private static final int EACH = 2;
  private static final Factors EXACT = Factors.plain(DType.F32);
  private static final CoSpaDi METHOD = new CoSpaDi();

  /** What 24 atoms, and 2 in each row, leave of two layers. */
  private static final Removal REMOVED =
      new Removal(1 - (ATOMS * IN + 2.0 * EACH * OUT) / (2.0 * OUT * IN));

  private static final Map<String, Object> SETTINGS =
      Map.of("ratio", ATOMS / EACH, "tolerance", 0, "iterations", 100);

  /** {@code C D}, each row of {@code C} with 2 values. */
  private static Layer planted(String name, Matrix dictionary, long seed) {
    var random = new Random(seed);
    var c = Matrix.zeros(OUT, ATOMS);
    for (int i = 0; i < OUT; i++) {
      for (int atom : random.ints(0, ATOMS).distinct().limit(EACH).toArray()) {
        c.set(i, atom, (float) ((random.nextBoolean() ? 1 : -1) * (0.5 + random.nextDouble())));
      }
    }
    var weight = Matrix.zeros(OUT, IN);
    Gemm.add(View.of(weight), View.of(c), View.of(dictionary));
    return new Layer(name, weight);
  }

  private static LayerStatistics statistics(long seed) {
    var x = gaussian(IN, 200, seed);
    var h = Matrix.zeros(IN, IN);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    return LayerStatistics.of(200, h);
  }

  private static LayerStatistics sum(LayerStatistics one, LayerStatistics other) {
    var h = one.gram().orElseThrow().copy();
    for (int i = 0; i < h.values().length; i++) {
      h.values()[i] += other.gram().orElseThrow().values()[i];
    }
    return LayerStatistics.of(400, h);
  }

  @Test
  void aDictionaryOfTwoLayersIsFoundWhereTwoOfTheSameParametersAreTooSmall() {
    var dictionary = gaussian(ATOMS, IN, 1);
    var layers = List.of(planted("a", dictionary, 2), planted("b", dictionary, 3));
    var inputs = List.of(statistics(4), statistics(5));
    var alone = METHOD.config(REMOVED, EXACT, SETTINGS);
    var shared = METHOD.sharing(alone, List.of("a", "b"), 0);
    assertThat(shared.whole(OUT, IN))
        .isEqualTo(new DictionarySize(2 * OUT, IN, ATOMS, 2L * EACH * OUT));
    assertThat(shared.size(OUT, IN)).isEqualTo(new DictionarySize(OUT, IN, ATOMS, EACH * OUT));

    var notes = new ArrayList<String>();
    var learned = SharedDictionary.learn(layers, sum(inputs.get(0), inputs.get(1)), shared, notes);
    assertThat(notes).isEmpty();
    for (int i = 0; i < 2; i++) {
      var weight = layers.get(i).weight();
      var gram = inputs.get(i).gram().orElseThrow();
      var found = SharedDictionary.code(weight, learned, new Metric.Full(gram), EACH);
      assertThat(found.mask().kept()).isEqualTo(EACH * OUT);
      var product = new Product(List.of(Dense.of(found.values()), Dense.of(learned)));
      double together = OutputError.relative(weight, product, gram);
      var own = METHOD.solve(layers.get(i), inputs.get(i), List.of(alone)).getFirst().weight();
      double apart = OutputError.relative(weight, own, gram);
      var given = SharedDictionary.code(weight, dictionary, new Metric.Full(gram), EACH);
      var exact = new Product(List.of(Dense.of(given.values()), Dense.of(dictionary)));
      assertThat(OutputError.relative(weight, exact, gram)).isLessThan(1e-12);
      // K-SVD that begins with singular vectors ends in a local minimum, a few atoms off.
      assertThat(together).isLessThan(0.1).isLessThan(apart / 4);
    }
  }

  @Test
  void parametersOfAGroupAreCountedTogether() {
    var settings = Map.<String, Object>of("group", 3, "ratio", 2.5);
    var names = List.of("a", "b", "c");
    for (double removed : new double[] {0.1, 0.3, 0.6}) {
      var config = METHOD.config(new Removal(removed), EXACT, settings);
      long all = 0;
      for (int i = 0; i < 3; i++) {
        var encoding = METHOD.encoding(METHOD.sharing(config, names, i), 40, 48);
        assertThat(((Encoding.Product) encoding).shares()).isEqualTo(i > 0);
        all += Parameters.of(encoding, 40, 48);
      }
      long most = new Removal(removed).left(120, 48);
      assertThat(all).isBetween(most - 120 - 48 - 120, most);
    }
  }

  @Test
  void aGroupOfOneIsAsItWas() {
    var usual = METHOD.config(REMOVED, EXACT, SETTINGS);
    var one = new HashMap<>(SETTINGS);
    one.put("group", 1);
    assertThat(METHOD.config(REMOVED, EXACT, one)).isEqualTo(usual);
    assertThat(METHOD.group(one)).isEqualTo(1);
    assertThat(METHOD.group(SETTINGS)).isEqualTo(1);
    assertThatThrownBy(() -> METHOD.config(REMOVED, EXACT, Map.of("group", 0)))
        .isInstanceOf(LatheException.class)
        .hasMessage(
            "CoSpaDi's group is of 1 block or more that share a dictionary (1 is usual), not 0");
    var unlearned = METHOD.sharing(usual, List.of("a", "b"), 1);
    var layer = new Layer("b", gaussian(OUT, IN, 1));
    assertThatThrownBy(() -> METHOD.solve(layer, statistics(1), List.of(unlearned)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("is learned by lathe compress before layers are solved");
    assertThat(unlearned.group().flatMap(DictionaryGroup::file)).isEqualTo(Optional.empty());
  }
}
