/**
 * What all file formats share: named plain tensors in mapped files ({@link
 * ai.lathe.format.TensorSource}), compressed weights as plain tensors ({@link
 * ai.lathe.format.WeightCodec}), strict JSON ({@link ai.lathe.format.Json}).
 *
 * <p>Formats know tensors and encodings; they know neither methods nor architectures. Every byte
 * read is taken for hostile: lengths, counts and offsets are compared with the file before they are
 * used, and a bad file is a {@link ai.lathe.format.FormatException}, never anything else.
 */
package ai.lathe.format;
