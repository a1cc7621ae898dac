/**
 * Transformers as data. {@link ai.lathe.model.architecture.Llama} shows what a description says:
 * for each parameter its role, its names in Hugging Face and GGUF files, its shape and what it
 * reads, in order of execution. Executors, calibration, checkpoints and exporters read that and ask
 * no architecture by name.
 */
package ai.lathe.model.architecture;
