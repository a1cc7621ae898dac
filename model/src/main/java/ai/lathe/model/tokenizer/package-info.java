/**
 * Tokenizers by {@code tokenizer.json}, and the two ways between that file and the vocabulary of a
 * GGUF.
 */
package ai.lathe.model.tokenizer;
