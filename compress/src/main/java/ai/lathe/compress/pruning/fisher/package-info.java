/**
 * Second-order pruning across layers: gradients give a Fisher matrix in blocks, the Fisher matrix
 * says what removing each weight costs, and the cheapest of the whole model go.
 *
 * <p>A method is a file of mathematics on one matrix: {@link
 * ai.lathe.compress.pruning.fisher.OBert}, {@link ai.lathe.compress.pruning.fisher.Cap}, {@link
 * ai.lathe.compress.pruning.fisher.FastCap}, {@link ai.lathe.compress.pruning.fisher.MFac}. {@link
 * ai.lathe.compress.pruning.fisher.ModelPruner} runs one over a model.
 */
package ai.lathe.compress.pruning.fisher;
