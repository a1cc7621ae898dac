/** Many ways of compressing one model, each carried out and measured on the same split of text. */
package ai.lathe.compress.comparison;
