/**
 * The vector unit, through {@code jdk.incubator.vector}, at whatever width it has. Classes here are
 * only to be touched where that module can be read.
 */
package ai.lathe.runtime.kernel.vector;
