/** Memory straight from the operating system, in pages. */
package ai.lathe.runtime.kernel.memory;
