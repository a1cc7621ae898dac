/** JMH benchmarks of kernels. */
package ai.lathe.bench.kernels;
