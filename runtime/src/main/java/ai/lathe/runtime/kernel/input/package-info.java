/** Weights whose input is changed before it is multiplied: rotated, or rounded to a few bits. */
package ai.lathe.runtime.kernel.input;
