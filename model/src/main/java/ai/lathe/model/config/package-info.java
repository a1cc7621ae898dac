/**
 * A model's numbers as files state them: {@code config.json}, GGUF metadata, or, for an ONNX file
 * that comes without either, the shapes of its tensors. What would compute another function than
 * the architecture's is refused by name.
 */
package ai.lathe.model.config;
