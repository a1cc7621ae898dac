/** Plain Java: runs anywhere, and is what the other ways of computing are tested against. */
package ai.lathe.runtime.kernel.scalar;
