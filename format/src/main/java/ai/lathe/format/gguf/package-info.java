/**
 * GGUF, the single-file format of llama.cpp: metadata, then tensor infos, then aligned tensor data.
 *
 * <p>{@link ai.lathe.format.gguf.GgufFile} reads (versions 2 and 3, little-endian, split files
 * included), {@link ai.lathe.format.gguf.GgufWriter} writes version 3. Both know encodings only,
 * not what a key or a tensor means to a model.
 *
 * @see <a href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md">The specification</a>
 */
package ai.lathe.format.gguf;
