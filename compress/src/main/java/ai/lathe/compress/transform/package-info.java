/**
 * Transforms that change several tensors of a block so that they are easier to compress, and leave
 * what the block computes as it was.
 */
package ai.lathe.compress.transform;
