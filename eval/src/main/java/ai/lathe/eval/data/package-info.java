/**
 * Texts from files, and the token sequences that calibration and evaluation take from them: {@link
 * ai.lathe.eval.data.TextData} reads, {@link ai.lathe.eval.data.Windows} cuts a text into windows
 * for language models, {@link ai.lathe.eval.data.Sentences} takes single texts for encoders.
 */
package ai.lathe.eval.data;
