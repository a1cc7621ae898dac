/**
 * llama.cpp's importance matrices: mean squares of what goes into each matrix of a model, as GGUF
 * and in the binary form that came before.
 *
 * @see <a href="https://github.com/ggml-org/llama.cpp/tree/master/tools/imatrix">llama-imatrix</a>
 */
package ai.lathe.format.imatrix;
