package ai.lathe.compress.allocation;

/** How the loss of a layer at a level is measured. All of them are taken to add up over layers. */
public enum Measure {
  /** {@code tr(D H D^T) / tr(W H W^T)} with {@code D = W - Q} and the Gram matrix {@code H}. */
  OUTPUT,
  /** {@code ||D||^2 / ||W||^2}. */
  WEIGHT,
  /** {@code sum(D_ij^2 H_jj) / sum(W_ij^2 H_jj)}. */
  HESSIAN,
  /**
   * {@code sum_i G_ii (D H D^T)_ii / 2} a token, with {@code G_ii} the mean square of the gradient
   * of the model's own log-likelihood by output {@code i} of the layer: an estimate, in nats, of
   * the divergence that this layer causes alone.
   */
  FISHER,
  /** Divergence, in nats, measured with this layer alone at its level and all others original. */
  KL,
  /**
   * No loss of a level but a property of the layer, the same at all of them: how many of its
   * weights have {@code |W_ij| sqrt(H_jj)} above {@link #OUTLIER} times the layer's mean of it.
   * What {@link Owl} goes by.
   */
  OUTLIERS;

  /** {@code M} of OWL. */
  public static final double OUTLIER = 5;
}
