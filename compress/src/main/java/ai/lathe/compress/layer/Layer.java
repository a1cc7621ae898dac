package ai.lathe.compress.layer;

import ai.lathe.tensor.Matrix;

/**
 * A linear layer to compress.
 *
 * @param name as the checkpoint names it, for reports
 * @param weight {@code W [out, in]}; not to be changed
 */
public record Layer(String name, Matrix weight) {}
