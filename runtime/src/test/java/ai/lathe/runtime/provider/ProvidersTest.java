package ai.lathe.runtime.provider;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.runtime.provider.Providers.Offer;
import ai.lathe.tensor.LatheException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ProvidersTest {

  @AfterEach
  void unset() {
    System.clearProperty(Providers.PROPERTY);
  }

  @Test
  void takesTheFirstThatRuns() {
    var best = Providers.offers().stream().filter(offer -> offer.refusal().isEmpty()).findFirst();
    assertThat(Providers.best().name()).isEqualTo(best.orElseThrow().name());
    assertThat(Providers.choose()).isSameAs(Providers.best());
  }

  @Test
  void offersAllOfThemTheBestFirst() {
    assertThat(Providers.offers())
        .extracting(Offer::name)
        .containsExactly("emitted", "vector", "scalar");
    assertThat(Providers.offers().getLast().refusal()).isEmpty();
  }

  @Test
  void aPropertyTakesAnother() {
    System.setProperty(Providers.PROPERTY, "scalar");
    assertThat(Providers.choose().name()).isEqualTo("scalar");
    System.setProperty(Providers.PROPERTY, "vector");
    assertThat(Providers.choose().name()).isEqualTo("vector");
  }

  @Test
  void anUnknownNameIsRefusedWithTheNearestOne() {
    System.setProperty(Providers.PROPERTY, "emited");
    assertThatThrownBy(Providers::choose)
        .isInstanceOf(LatheException.class)
        .hasMessage(
            "unknown kernels 'emited'; did you mean 'emitted'? (valid: scalar, vector, emitted)");
  }

  /** Whatever this machine is, one of the two holds. */
  @Test
  void whatCannotRunIsRefusedByName() {
    for (var offer : Providers.offers()) {
      if (offer.refusal().isEmpty()) {
        assertThat(Providers.choose(offer.name()).name()).isEqualTo(offer.name());
      } else {
        assertThatThrownBy(() -> Providers.choose(offer.name()))
            .hasMessage(
                "kernels '%s' cannot run here: %s".formatted(offer.name(), offer.refusal().get()));
      }
    }
  }
}
