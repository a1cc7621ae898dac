package ai.lathe.compress.removal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.RemovalKnapsack;
import ai.lathe.compress.factorization.RemovalKnapsack.Measure;
import ai.lathe.compress.removal.LayerProfile.Option;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ApportionmentTest {

  private static Option option(double removed, long parameters, double error) {
    return new Option(
        removed, Map.of("ratio", "2"), "BF16", parameters, 2 * parameters, error, error);
  }

  private static LayerProfile layer(
      String name, long parameters, double minded, Option... options) {
    return new LayerProfile(name, 0, parameters, 2 * parameters, "BF16", minded, List.of(options));
  }

  /** Six layers with four options each; every tenth loses all at once. */
  private static List<LayerProfile> random(SplittableRandom random) {
    var layers = new ArrayList<LayerProfile>();
    for (int i = 0; i < 6; i++) {
      long parameters = random.nextLong(500, 2000);
      var options = new ArrayList<Option>();
      double error = 0;
      for (int o = 1; o <= 4; o++) {
        error += random.nextInt(10) == 0 ? 1 : random.nextDouble(0.1);
        double removed = 0.15 * o;
        options.add(option(removed, (long) ((1 - removed) * parameters), error));
      }
      layers.add(layer("l" + i, parameters, random.nextDouble(), options.toArray(Option[]::new)));
    }
    return layers;
  }

  /** The least sum of losses, every choice tried; a layer may stay as it is. */
  private static double least(
      List<LayerProfile> layers, double share, Measure measure, double cap) {
    long total = layers.stream().mapToLong(LayerProfile::parameters).sum();
    double least = Double.POSITIVE_INFINITY;
    for (int code = 0; code < Math.pow(5, layers.size()); code++) {
      long stays = 0;
      double loss = 0;
      int rest = code;
      for (var layer : layers) {
        int choice = rest % 5;
        rest /= 5;
        if (choice == 4) {
          stays += layer.parameters();
        } else {
          var option = layer.options().get(choice);
          stays += option.parameters();
          loss +=
              LayerProfile.error(option, measure) <= cap
                  ? layer.loss(option, measure)
                  : Double.POSITIVE_INFINITY;
        }
      }
      if (total - stays >= share * total) {
        least = Math.min(least, loss);
      }
    }
    return least;
  }

  @ParameterizedTest
  @EnumSource(Measure.class)
  void theKnapsackIsTheBestOfAllChoicesThatRemoveEnough(Measure measure) {
    var random = new SplittableRandom(1);
    int dense = 0;
    for (int instance = 0; instance < 20; instance++) {
      var layers = random(random);
      double share = random.nextDouble(0.1, 0.5);
      for (boolean capped : new boolean[] {true, false}) {
        var how = new RemovalKnapsack(measure, capped);
        var found = Apportionment.of("rocket", new Removal(share), how, layers);
        double cap = found.cap().map(ErrorCap::most).orElse(Double.POSITIVE_INFINITY);
        double least = least(layers, share, measure, cap);
        assertThat(found.found().loss()).isCloseTo(least, within(1e-9));
        assertThat(found.total() - found.stays())
            .isGreaterThanOrEqualTo((long) (share * found.total()));
        dense += (int) found.choices().stream().filter(Optional::isEmpty).count();
        assertThat(found.report().choices()).hasSize(6);
        if (!capped) {
          assertThat(found.cap()).isEmpty();
        }
      }
    }
    assertThat(dense).isPositive();
  }

  @Test
  void aLayerThatLosesAllStaysAsItIs() {
    var layers =
        List.of(
            layer("fragile", 1000, 1, option(0.2, 800, 0.9), option(0.4, 600, 0.95)),
            layer("robust", 1000, 1, option(0.2, 800, 0.1), option(0.4, 600, 0.2)));
    var found =
        Apportionment.of(
            "svd", new Removal(0.2), new RemovalKnapsack(Measure.WEIGHT, true), layers);
    assertThat(found.choices().getFirst()).isEmpty();
    assertThat(found.choices().getLast())
        .hasValueSatisfying(o -> assertThat(o.removed()).isEqualTo(0.4));
    assertThat(found.report().choices().getFirst().level()).isEqualTo("original");
    assertThat(found.report().choices().getLast().level()).isEqualTo("svd:0.4:ratio=2");
    assertThat(found.notes().getFirst()).contains("1 left as they are").contains("20.00 % removed");
  }

  /** The mean at 0.2 is 0.3: 1.1 times that is the first limit within which half can go. */
  @Test
  void theCapIsTheLeastThatStillRemovesEnough() {
    var layers =
        List.of(
            layer("a", 100, 1, option(0.2, 80, 0.2), option(0.4, 60, 0.29)),
            layer("b", 100, 1, option(0.2, 80, 0.4), option(0.4, 60, 0.5)),
            layer("c", 100, 1, option(0.2, 80, 0.3), option(0.4, 60, 0.32)));
    assertThat(ErrorCap.of(layers, 0.2, 240, Measure.WEIGHT).orElseThrow().alpha()).isEqualTo(1.0);
    assertThat(ErrorCap.of(layers, 0.2, 230, Measure.WEIGHT).orElseThrow().alpha()).isEqualTo(1.1);
    assertThat(ErrorCap.of(layers, 0.2, 200, Measure.WEIGHT).orElseThrow().alpha()).isEqualTo(1.4);
    assertThat(ErrorCap.of(layers, 0.2, 100, Measure.WEIGHT)).isEmpty();
  }

  @Test
  void moreThanAllLevelsRemoveIsRefused() {
    var layers = List.of(layer("a", 100, 1, option(0.2, 80, 0.2)), layer("b", 100, 1));
    assertThatThrownBy(
            () ->
                Apportionment.of(
                    "svd", new Removal(0.3), new RemovalKnapsack(Measure.OUTPUT, true), layers))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("the most that its levels remove together is 0.100");
  }

  @Test
  void allocatorsAndTheirSettingsHaveNames() {
    assertThat(RemovalKnapsack.named("uniform", Map.of())).isEmpty();
    assertThat(RemovalKnapsack.named("knapsack", Map.of("measure", "weight", "cap", "false")))
        .contains(new RemovalKnapsack(Measure.WEIGHT, false));
    assertThatThrownBy(() -> RemovalKnapsack.named("knapsak", Map.of()))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("did you mean 'knapsack'");
    assertThatThrownBy(() -> RemovalKnapsack.named("knapsack", Map.of("measure", "outputs")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("did you mean 'output'");
    assertThatThrownBy(() -> RemovalKnapsack.named("uniform", Map.of("cap", true)))
        .isInstanceOf(LatheException.class);
  }
}
