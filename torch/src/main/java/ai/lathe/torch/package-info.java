/**
 * The differentiable executor: every architecture's forward pass on LibTorch, with the inputs of
 * its linear layers laid open, and the statistics that are collected from them.
 *
 * <p>{@link ai.lathe.torch.TorchBlock} is one transformer block, {@link ai.lathe.torch.TorchModel}
 * and {@link ai.lathe.torch.TorchEncoder} are whole models. Native tensors live in the innermost
 * {@code PointerScope} of the thread unless an object here owns them; what owns some is closeable.
 */
package ai.lathe.torch;
