package ai.lathe.tensor;

/**
 * The scales of one block: value = {@code scale[g] * level(code) + offset[g]} for a weight of group
 * {@code g}.
 *
 * @param scale one a group, as decoded from storage
 * @param offset one a group, as decoded from storage
 * @param stored what the block type writes for them; its meaning is the type's own. Of types whose
 *     scales are themselves small integers under float16 numbers of the whole block: the bits of
 *     the number for scales, those of the number for offsets, which counts negative, then the
 *     integers of all groups' scales, then those of all offsets
 */
public record BlockScales(float[] scale, float[] offset, int[] stored) {}
