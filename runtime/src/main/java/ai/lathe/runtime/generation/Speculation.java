package ai.lathe.runtime.generation;

/**
 * How well a draft model guessed.
 *
 * @param drafted tokens that the draft proposed and the model judged
 * @param accepted those that became part of the text
 * @param expected expected acceptance rate (EAR): the mean, over the judged tokens, of {@code sum_v
 *     min(p(v), q(v))}, with {@code p} and {@code q} the two models' distributions as tokens are
 *     drawn from them
 */
public record Speculation(long drafted, long accepted, double expected) {

  static final Speculation NONE = new Speculation(0, 0, Double.NaN);

  /** Accepted tokens of those judged; NaN where none was. */
  public double acceptance() {
    return drafted == 0 ? Double.NaN : (double) accepted / drafted;
  }
}
