/** What survives a kill: which blocks of a run are finished, and what the run was. */
package ai.lathe.compress.journal;
