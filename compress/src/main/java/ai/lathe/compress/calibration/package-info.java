/** Runs calibration text through a model block by block and collects what solvers want to know. */
package ai.lathe.compress.calibration;
