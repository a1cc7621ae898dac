/**
 * compressed-tensors: quantized weights as plain safetensors tensors, described by {@code
 * config.json.quantization_config} ({@link ai.lathe.format.compressed.QuantizationConfig}), one
 * {@link ai.lathe.format.WeightCodec} a storage format. What is written is what the Python package
 * of that name writes since its version 0.18; what earlier versions wrote is read as well.
 *
 * @see <a href="https://github.com/vllm-project/compressed-tensors">compressed-tensors</a>
 */
package ai.lathe.format.compressed;
