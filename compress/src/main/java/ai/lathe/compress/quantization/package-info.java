/**
 * Quantization of linear layers. A {@link ai.lathe.compress.quantization.Grid} says which values a
 * weight can take and how they are stored; a {@link
 * ai.lathe.compress.quantization.QuantizationMethod} ({@link ai.lathe.compress.quantization.Rtn},
 * {@link ai.lathe.compress.quantization.Gptq}) chooses among them. Any method works on any grid.
 */
package ai.lathe.compress.quantization;
