/**
 * The block types of GGUF: how consecutive weights of a row share scales, bit for bit as llama.cpp
 * reads them.
 *
 * <p>A type is a declaration in {@link ai.lathe.tensor.block.BlockTypes}: its levels ({@code
 * Levels}), where the bits of its codes stand ({@code Plane}), and its kind of scales. There are
 * four kinds: one float16 scale ({@code SymmetricBlock}), scale and minimum ({@code AffineBlock}),
 * groups whose scales and minima are themselves small integers ({@code SuperBlock}, the K types),
 * and scales of one byte ({@code Fp4Block}). {@code ScaleSearch} chooses scale and offset of one
 * group for all of them.
 */
package ai.lathe.tensor.block;
