/**
 * From what the user asks for to levels: budgets turned into bytes or nanoseconds of layers, the
 * artifact that a choice of levels comes to, and the search for the smallest one that is faithful
 * enough.
 */
package ai.lathe.compress.budget;
