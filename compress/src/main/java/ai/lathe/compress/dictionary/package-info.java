/** Dictionaries that neighbouring layers share, learned before the layers are compressed. */
package ai.lathe.compress.dictionary;
