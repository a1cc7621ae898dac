/** How a running model behaves: threads, neighbours, starts, long use. */
package ai.lathe.bench.runtime;
