/**
 * What a model is, whatever file it comes from: its numbers ({@link ai.lathe.model.ModelConfig}),
 * its tensors by role ({@link ai.lathe.model.Checkpoint}), its tokenizer; and the two interfaces
 * that executors implement and evaluation uses ({@link ai.lathe.model.LanguageModel}, {@link
 * ai.lathe.model.Encoder}).
 */
package ai.lathe.model;
