/**
 * What a way of computing has to offer, and what all ways share: threads, inputs and their forms.
 */
package ai.lathe.runtime.kernel;
