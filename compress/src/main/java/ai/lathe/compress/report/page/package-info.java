/**
 * Reports as one HTML page that needs nothing else: what runs measured, drawn and as tables. Java
 * writes all text, escaped; the page's script only draws, from JSON that stands in the page.
 */
package ai.lathe.compress.report.page;
