/** Opens a model and runs it: generation with a decoder, embeddings with an encoder. */
package ai.lathe.runtime;
