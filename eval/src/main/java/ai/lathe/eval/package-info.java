/**
 * How faithful a model is, measured over the two interfaces that executors implement: {@link
 * ai.lathe.eval.Perplexity} and {@link ai.lathe.eval.Divergence} of language models, {@link
 * ai.lathe.eval.EmbeddingFidelity} and {@link ai.lathe.eval.SentenceSimilarity} of encoders.
 */
package ai.lathe.eval;
