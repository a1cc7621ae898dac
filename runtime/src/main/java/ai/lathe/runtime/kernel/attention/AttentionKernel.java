package ai.lathe.runtime.kernel.attention;

/**
 * Softmax of scores and the mix of values that it weighs. Holds working memory, so each thread has
 * its own.
 */
public interface AttentionKernel {

  /** Computes one task. Results do not depend on what was computed before. */
  void attend(AttentionTask task);
}
