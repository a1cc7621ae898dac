/** Models from a hub that speaks Hugging Face's protocol, in huggingface_hub's own cache. */
package ai.lathe.model.hub;
