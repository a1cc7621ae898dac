/** How fast a model runs, and how fast this machine could run it. */
package ai.lathe.runtime.measure;
