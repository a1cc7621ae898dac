/**
 * Measures models on text, whichever kind they are: what {@code lathe eval} prints and every report
 * holds.
 */
package ai.lathe.compress.measure;
