package ai.lathe.compress.calibration;

import ai.lathe.eval.data.Sentences;
import ai.lathe.eval.data.Sequences;
import ai.lathe.eval.data.TextData;
import ai.lathe.eval.data.Windows;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The token sequences of a run: what to calibrate on and what to measure on. The two never share a
 * sequence.
 *
 * @param calibration empty where no solver wants statistics
 * @param evaluation at least one
 * @param notes how they were taken, where a user should know
 */
public record Texts(List<int[]> calibration, List<int[]> evaluation, List<String> notes) {

  /**
   * Most sequences that a run measures its artifact on; {@code lathe eval} measures on all of a
   * text.
   */
  public static final int MOST_EVALUATED = 64;

  /** Most tokens of a sequence where no length is asked for. */
  public static final int SEQUENCE_LENGTH = 512;

  /**
   * Takes sequences for a model: windows of equal length for a decoder, texts of their own lengths
   * for an encoder.
   *
   * @param calibrates whether any solver wants statistics. Where none does nothing is calibrated
   *     on, and what is measured on is still the same, so that methods can be compared
   * @param samples calibration sequences
   * @param evaluation a text of its own to measure on; else sequences of {@code calibration} that
   *     were not drawn are kept for it
   */
  public static Texts take(
      ModelKind kind,
      Tokenizer tokenizer,
      TextData calibration,
      Optional<TextData> evaluation,
      boolean calibrates,
      int samples,
      int length,
      long seed) {
    var notes = new ArrayList<String>();
    if (evaluation.isPresent()) {
      var measured = all(kind, tokenizer, evaluation.get(), length);
      notes.addAll(measured.notes());
      if (measured.count() > MOST_EVALUATED) {
        notes.add(
            "measured on %d sequences of %s, of %d"
                .formatted(MOST_EVALUATED, evaluation.get().file(), measured.count()));
      }
      var evaluated = measured.tokens().subList(0, Math.min(MOST_EVALUATED, measured.count()));
      if (!calibrates) {
        return new Texts(List.of(), evaluated, notes);
      }
      var drawn = draw(kind, tokenizer, calibration, samples, length, seed);
      notes.addAll(drawn.notes());
      return new Texts(drawn.tokens(), evaluated, notes);
    }
    var drawn = draw(kind, tokenizer, calibration, samples + MOST_EVALUATED, length, seed).tokens();
    // A short text is shared out, nine parts to calibrate and one to measure.
    int kept = Math.min(MOST_EVALUATED, Math.max(1, drawn.size() / 10));
    int used = Math.min(samples, drawn.size() - kept);
    if (calibrates && used == 0) {
      throw new LatheException(
          calibration.file()
              + " holds one sequence of "
              + length
              + " tokens; one more is needed to measure on: give --eval-data, a longer text, or a smaller --seq-len");
    }
    if (calibrates && used < samples) {
      notes.add(
          "%s holds %d sequences of %d tokens: %d calibrate instead of %d"
              .formatted(calibration.file(), drawn.size(), length, used, samples));
    }
    if (calibrates) {
      notes.add(
          "measured on %d sequences of %s that calibration did not see"
              .formatted(Math.min(MOST_EVALUATED, drawn.size() - used), calibration.file()));
    }
    return new Texts(
        calibrates ? drawn.subList(0, used) : List.of(),
        drawn.subList(used, Math.min(drawn.size(), used + MOST_EVALUATED)),
        notes);
  }

  /** The same with no more than so many sequences to calibrate on. */
  public Texts first(int most) {
    return new Texts(calibration.subList(0, Math.min(most, calibration.size())), evaluation, notes);
  }

  /**
   * Takes sequences to calibrate on alone.
   *
   * @param length as {@link #take} has it
   */
  public static Texts calibration(
      ModelKind kind, Tokenizer tokenizer, TextData text, int samples, int length, long seed) {
    var drawn = draw(kind, tokenizer, text, samples, length, seed);
    return new Texts(drawn.tokens(), List.of(), drawn.notes());
  }

  /**
   * Tokens of a sequence, at most: as many as were asked for, else {@link #SEQUENCE_LENGTH} or what
   * the model can take. Throws {@link LatheException} where it cannot take what was asked for.
   */
  public static int length(Optional<Integer> requested, int context) {
    int length = requested.orElse(Math.min(SEQUENCE_LENGTH, context));
    if (length < 1 || length > context) {
      throw new LatheException(
          "a sequence length of %d is not within the model's context of %d"
              .formatted(length, context));
    }
    return length;
  }

  private static Sequences all(ModelKind kind, Tokenizer tokenizer, TextData text, int length) {
    return switch (kind) {
      case DECODER -> Windows.evaluation(text, tokenizer, length);
      case ENCODER -> Sentences.first(text, tokenizer, 4 * MOST_EVALUATED, length);
    };
  }

  private static Sequences draw(
      ModelKind kind, Tokenizer tokenizer, TextData text, int samples, int length, long seed) {
    return switch (kind) {
      case DECODER -> Windows.calibration(text, tokenizer, samples, length, seed);
      case ENCODER -> Sentences.sample(text, tokenizer, samples, length, seed);
    };
  }
}
