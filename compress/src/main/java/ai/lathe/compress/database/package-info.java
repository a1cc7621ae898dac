/**
 * The level database: every layer of a model at several levels of compression, computed once,
 * stored as it will be written, with its exact bytes and its losses.
 */
package ai.lathe.compress.database;
