/**
 * Methods that write a weight as a product of smaller matrices, on the interface of layer solvers.
 */
package ai.lathe.compress.factorization;
