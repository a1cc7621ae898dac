package ai.lathe.compress.budget;

import ai.lathe.compress.budget.SmallestChoice.Measured;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/**
 * The smallest artifact that a judge finds faithful enough. Text to search on says where it is
 * about; the judge has the last word, and what it says of one artifact corrects where the next is
 * sought: losses on the two texts go hand in hand, but are not equal.
 */
public final class FaithfulSearch {

  /**
   * Of the artifact's bytes: the result is no larger than one that the judge found wanting by more
   * than this.
   */
  public static final double GAP = 0.02;

  /** To look for the next artifact a little on the safe side. */
  private static final double SAFE = 0.99;

  /** Artifacts that are judged, at most, once one has passed. */
  private static final int JUDGED = 10;

  private final SmallestChoice choices;
  private final ToDoubleFunction<Choice> judge;
  private Measured passed;
  private Measured failed;

  /**
   * @param judge writes an artifact, opens it again and measures its loss
   */
  public FaithfulSearch(SmallestChoice choices, ToDoubleFunction<Choice> judge) {
    this.choices = choices;
    this.judge = judge;
  }

  /**
   * The choice to be written; empty where the judge finds even the largest wanting.
   *
   * @param limit of the judge's loss
   */
  public Optional<Choice> search(double limit) {
    double aim = limit;
    for (int judged = 0; passed == null || judged < JUDGED; judged++) {
      var next = next(aim);
      if (next.isEmpty()) {
        break;
      }
      double loss = judge.applyAsDouble(next.get().choice());
      if (loss <= limit) {
        passed = next.get();
      } else {
        failed = next.get();
      }
      aim = loss > 0 ? SAFE * limit * next.get().loss() / loss : aim;
    }
    return Optional.ofNullable(passed).map(Measured::choice);
  }

  /** Empty where nothing is left to be judged. */
  private Optional<Measured> next(double aim) {
    if (passed != null && passed.choice().bytes() == choices.smallest().choice().bytes()) {
      return Optional.empty();
    }
    if (passed != null && failed != null && gap() <= GAP * artifact(passed)) {
      return Optional.empty();
    }
    var aimed = choices.within(aim);
    if (aimed.isPresent() && isBetween(aimed.get())) {
      return aimed;
    }
    if (passed == null) {
      // Nothing has passed, and the text to search on thinks that less would do, or has no answer.
      if (failed == null) {
        return Optional.of(choices.largest());
      }
      if (artifact(failed) >= artifact(choices.largest())) {
        return Optional.empty();
      }
      long most = choices.largest().choice().bytes();
      return Optional.of(choices.at(middle(failed.choice().bytes(), most)))
          .filter(this::isBetween)
          .or(() -> Optional.of(choices.largest()));
    }
    // What passed was aimed at, so that a little less is likely to fail and to settle it.
    long bytes = passed.choice().bytes();
    long floor = (failed == null ? choices.smallest() : failed).choice().bytes();
    long less = bytes - (long) (0.75 * GAP * artifact(passed));
    var smaller = choices.at(Math.max(failed == null ? floor : middle(floor, bytes), less));
    return Optional.of(smaller).filter(this::isBetween);
  }

  private static long middle(long low, long high) {
    return low + (high - low + 1) / 2;
  }

  /** Larger than what failed, smaller than what passed. */
  private boolean isBetween(Measured one) {
    return (failed == null || one.choice().bytes() > failed.choice().bytes())
        && (passed == null || one.choice().bytes() < passed.choice().bytes());
  }

  private long gap() {
    return artifact(passed) - artifact(failed);
  }

  private static long artifact(Measured one) {
    return one.choice().artifactBytes();
  }

  /** The largest choice that the judge found wanting; empty where it was shown none. */
  public Optional<Choice> failed() {
    return Optional.ofNullable(failed).map(Measured::choice);
  }
}
