/**
 * What attention reads and computes, for all ways of computing: where heads stand, how pages hold
 * keys and values, one task of a kernel.
 */
package ai.lathe.runtime.kernel.attention;
