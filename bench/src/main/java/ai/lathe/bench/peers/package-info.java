/** Lathe beside other projects, in one run on one machine. */
package ai.lathe.bench.peers;
