/**
 * Checkpoints of AutoAWQ in its GEMM layout: 4-bit codes packed along the outputs, transposed.
 *
 * @see <a href="https://arxiv.org/abs/2306.00978">Lin et al., AWQ, 2023</a>
 */
package ai.lathe.format.awq;
