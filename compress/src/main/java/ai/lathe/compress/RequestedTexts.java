package ai.lathe.compress;

import ai.lathe.compress.calibration.Texts;
import ai.lathe.eval.data.TextData;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.tensor.LatheException;
import java.util.Optional;
import java.util.function.Consumer;

/** The texts that a request names, or those that come with Lathe. */
final class RequestedTexts {

  private RequestedTexts() {}

  /**
   * @param calibrates whether any solver wants statistics
   * @param samples calibration sequences
   */
  static Texts take(
      CompressionRequest request,
      Checkpoint source,
      boolean calibrates,
      int samples,
      Consumer<String> messages) {
    var tokenizer =
        source
            .tokenizer()
            .orElseThrow(
                () ->
                    new LatheException(
                        request.model()
                            + " has no tokenizer, and without one there is no text to measure on"));
    int length = Texts.length(request.sequenceLength(), source.config().context());
    var kind = source.architecture().kind();
    if (request.calibration().isEmpty()) {
      messages.accept(
          "note: no --data given: the public-domain text that comes with Lathe is used; text like the model's own would be better");
    }
    var calibration =
        TextData.open(
            request.calibration().orElseGet(() -> EmbeddedModel.cached().calibration()),
            request.field());
    var evaluation =
        request.evaluation().isPresent() || request.calibration().isPresent()
            ? request.evaluation()
            : Optional.of(EmbeddedModel.cached().heldOut());
    return Texts.take(
        kind,
        tokenizer,
        calibration,
        evaluation.map(file -> TextData.open(file, request.field())),
        calibrates,
        samples,
        length,
        request.seed());
  }
}
