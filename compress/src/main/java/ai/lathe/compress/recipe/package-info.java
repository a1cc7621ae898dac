/**
 * What to do to a model: modifiers in order, each with the layers it touches. Read from
 * llm-compressor's YAML or built from a preset name.
 */
package ai.lathe.compress.recipe;
