#!/bin/sh
# Greedy text of 40 tokens behind a few prompts: Lathe's must equal llama.cpp's for the same F16 GGUF, token by token.
# With GOLDEN set, writes llama.cpp's tokens there, for the test that needs no llama.cpp.
#
# Usage: tools/check_llama_text.sh FOLDER/node_modules/node-llama-cpp MODEL
#   FOLDER  where `npm install --ignore-scripts node-llama-cpp` was run
#   MODEL   a decoder in any format
set -eu

NODE_LLAMA_CPP=${1:?'usage: check_llama_text.sh FOLDER/node_modules/node-llama-cpp MODEL'}
export NODE_LLAMA_CPP
model=${2:?'usage: check_llama_text.sh FOLDER/node_modules/node-llama-cpp MODEL'}
root=$(CDPATH='' cd -P "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$root/lathe" convert "$model" -o "$work/model.gguf" --type F16 >/dev/null
OMP_WAIT_POLICY=passive "$("$root/lathe" --java-home)/bin/java" --add-modules jdk.incubator.vector \
  --enable-native-access=ALL-UNNAMED -cp "$root/cli/target/lathe.jar" \
  "$root/bench/src/main/java/ai/lathe/bench/GreedyText.java" prompts "$work/model.gguf" >"$work/prompts.json"
node "$root/tools/llama_text.mjs" "$work/model.gguf" "$work/prompts.json" 40 "$work/llama.json"
[ -z "${GOLDEN:-}" ] || cp "$work/llama.json" "$GOLDEN"
OMP_WAIT_POLICY=passive "$("$root/lathe" --java-home)/bin/java" --add-modules jdk.incubator.vector \
  --enable-native-access=ALL-UNNAMED -cp "$root/cli/target/lathe.jar" \
  "$root/bench/src/main/java/ai/lathe/bench/GreedyText.java" compare "$work/model.gguf" "$work/llama.json"
