/**
 * What methods that train weights have in common: the optimiser, the batches of a block's inputs,
 * and the stage that tunes scales over the whole model once all blocks are compressed.
 */
package ai.lathe.compress.training;
