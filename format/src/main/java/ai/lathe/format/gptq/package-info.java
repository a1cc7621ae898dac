/**
 * Checkpoints of GPTQModel and AutoGPTQ: integer codes packed along the inputs, transposed.
 *
 * @see <a href="https://arxiv.org/abs/2210.17323">Frantar et al., GPTQ, 2022</a>
 */
package ai.lathe.format.gptq;
