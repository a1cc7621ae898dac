/**
 * Models by name: {@link ai.lathe.model.hub.Hub} downloads {@code org/name} from a hub that speaks
 * Hugging Face's protocol into the cache that huggingface_hub uses, so that both share files.
 */
package ai.lathe.model.hub;
