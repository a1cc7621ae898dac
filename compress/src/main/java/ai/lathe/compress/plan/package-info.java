/**
 * What will become of every matrix of a model, and what that takes, settled before the work starts.
 */
package ai.lathe.compress.plan;
