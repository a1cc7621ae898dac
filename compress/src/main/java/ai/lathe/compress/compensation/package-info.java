/** What a compressed layer lost, given back in part by a matrix of low rank beside it. */
package ai.lathe.compress.compensation;
