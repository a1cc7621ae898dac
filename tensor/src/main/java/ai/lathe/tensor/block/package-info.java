/**
 * The block types of GGUF: how consecutive weights of a row share scales, bit for bit as llama.cpp
 * reads them.
 *
 * <p>A type is one file and one line in {@link ai.lathe.tensor.block.BlockTypes}. What types have
 * in common stands in a few package-private classes: {@code ScaleSearch} chooses scale and offset
 * of one group, {@code AffineSuperBlock} and {@code SymmetricSuperBlock} lay the groups' scales
 * themselves on a grid (the K types), {@code Nibbles} packs 4-bit codes, {@code Half} rounds to
 * float16.
 */
package ai.lathe.tensor.block;
