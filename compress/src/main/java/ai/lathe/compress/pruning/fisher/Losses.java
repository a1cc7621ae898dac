package ai.lathe.compress.pruning.fisher;

import ai.lathe.compress.pruning.fisher.Gathering.Objective;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.Masking;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import ai.lathe.torch.gradient.Loss;
import ai.lathe.torch.gradient.Loss.Masked;
import ai.lathe.torch.gradient.Loss.Output.Part;
import java.util.Optional;

/** What is differentiated of which model. */
final class Losses {

  private static final double TEMPERATURE = 2;

  private Losses() {}

  /**
   * @param source a decoder, or an encoder with or without a head for masked tokens
   * @param seed of what is drawn
   */
  static Loss of(Checkpoint source, Objective objective, long seed) {
    return switch (objective) {
      case AUTO -> usual(source, seed);
      case NEXT_TOKEN -> new Loss.NextToken();
      case OWN_TOKEN -> new Loss.OwnToken(seed, masked(source, seed));
      case MASKED_TOKEN ->
          new Loss.MaskedToken(
              masked(source, seed)
                  .orElseThrow(
                      () ->
                          new LatheException(
                              "this model has no head that predicts masked tokens, and no loss of them")));
      case DISTILLATION -> new Loss.Distillation(source, TEMPERATURE, 1, masked(source, seed));
      case EMBEDDING -> new Loss.Output(Part.EMBEDDING, seed);
      case STATES -> new Loss.Output(Part.STATES, seed);
    };
  }

  private static Loss usual(Checkpoint source, long seed) {
    return source.architecture().kind() == ModelKind.DECODER
        ? new Loss.OwnToken(seed)
        : masked(source, seed)
            .<Loss>map(Loss.MaskedToken::new)
            .orElseGet(() -> new Loss.Output(Part.EMBEDDING, seed));
  }

  /** How tokens are hidden; empty for a decoder, and for an encoder without a head. */
  private static Optional<Masked> masked(Checkpoint source, long seed) {
    if (!source.architecture().has(Role.HEAD_TRANSFORM)) {
      return Optional.empty();
    }
    var tokenizer =
        source
            .tokenizer()
            .orElseThrow(
                () ->
                    new LatheException(
                        "the model has no tokenizer that tells which token stands for masked ones"));
    return Optional.of(new Masked(Masking.of(tokenizer), seed));
  }

  /**
   * The loss before anything is pruned: a model that is its own teacher has nothing to learn then.
   * Tokens that it draws itself have the same curvature where nothing has changed yet.
   */
  static Loss first(Loss loss, long seed) {
    return loss instanceof Loss.Distillation distillation
        ? new Loss.OwnToken(seed, distillation.masked())
        : loss;
  }
}
