/**
 * ONNX files as a source of weights: the initializers of the graph under the names that the modules
 * had when the model was exported from Hugging Face transformers. The graph itself is not executed.
 *
 * @see <a href="https://github.com/onnx/onnx/blob/main/onnx/onnx.proto">onnx.proto</a>
 */
package ai.lathe.format.onnx;
