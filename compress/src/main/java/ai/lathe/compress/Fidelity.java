package ai.lathe.compress;

import ai.lathe.compress.allocation.Budget;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.search.Objective;
import java.util.Optional;

/**
 * A target of fidelity as a limit on a loss: of which less is better and 0 is the original.
 *
 * @param objective the loss
 */
record Fidelity(Objective objective, double limit) {

  /** Empty where another thing is asked for. */
  static Optional<Fidelity> of(Budget budget) {
    return switch (budget) {
      case Budget.Divergence(double nats) -> Optional.of(new Fidelity(Objective.KL, nats));
      case Budget.Acceptance(double ear) ->
          Optional.of(new Fidelity(Objective.ACCEPTANCE, 1 - ear));
      case Budget.PerplexityRatio(double ratio) ->
          Optional.of(new Fidelity(Objective.PERPLEXITY, Math.log(ratio)));
      case Budget.Size _, Budget.BitsPerWeight _, Budget.Speedup _ -> Optional.empty();
    };
  }

  double loss(Measurement.Language measured) {
    return switch (objective) {
      case ACCEPTANCE -> 1 - measured.ear();
      case PERPLEXITY -> Math.log(measured.perplexity() / measured.referencePerplexity());
      case KL, TOP_K_KL -> measured.kl();
    };
  }

  /** A loss as the target speaks of it. */
  double spoken(double loss) {
    return switch (objective) {
      case ACCEPTANCE -> 1 - loss;
      case PERPLEXITY -> Math.exp(loss);
      case KL, TOP_K_KL -> loss;
    };
  }
}
