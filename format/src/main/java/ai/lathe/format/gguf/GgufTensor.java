package ai.lathe.format.gguf;

/**
 * What a file says of a tensor.
 *
 * @param shape outermost dimension first, {@code [out, in]} for a matrix: the reverse of the file's
 *     order
 * @param file index of the split file that holds it; 0 for a single file
 * @param offset first byte of its data in that file
 * @param bytes of its data; 0 where the type is not known
 */
public record GgufTensor(
    String name, GgmlType type, long[] shape, int file, long offset, long bytes) {}
