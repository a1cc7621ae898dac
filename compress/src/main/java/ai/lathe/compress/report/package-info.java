/** What a run did and how faithful its result is, as {@code report.json}. */
package ai.lathe.compress.report;
