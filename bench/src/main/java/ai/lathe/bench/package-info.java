/** Programs that measure; each has a {@code main} and prints what it found. Never shipped. */
package ai.lathe.bench;
