/** Which of the ways to compute a machine can use, and which is taken. */
package ai.lathe.runtime.provider;
