/** How a share of parameters that is to go from all layers together is spread over them. */
package ai.lathe.compress.removal;
