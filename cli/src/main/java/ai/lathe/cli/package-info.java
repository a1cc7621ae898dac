/** The command line: one class a command, and what they share to talk to people and scripts. */
package ai.lathe.cli;
