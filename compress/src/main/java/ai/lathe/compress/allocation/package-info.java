/**
 * Chooses a level for each layer under a budget. Allocators know costs and losses alone: not which
 * methods made the levels, nor how they are stored.
 */
package ai.lathe.compress.allocation;
