/**
 * safetensors files: a JSON header that names tensors, then their data. Reading maps the files
 * ({@link ai.lathe.format.safetensors.Safetensors}); writing plans every header and size first
 * ({@link ai.lathe.format.safetensors.SafetensorsPlan}) and then takes the tensors in any order
 * ({@link ai.lathe.format.safetensors.SafetensorsWriter}), so that an interrupted writer can go on.
 */
package ai.lathe.format.safetensors;
