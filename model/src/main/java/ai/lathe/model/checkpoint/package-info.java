/**
 * Checkpoints in every format, opened by {@link ai.lathe.model.checkpoint.Checkpoints} and written
 * by {@link ai.lathe.model.checkpoint.CheckpointWriters}.
 */
package ai.lathe.model.checkpoint;
