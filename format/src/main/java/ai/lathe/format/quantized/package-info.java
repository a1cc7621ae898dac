/** The ways in which a {@code config.json} says how a model's layers are stored, all together. */
package ai.lathe.format.quantized;
