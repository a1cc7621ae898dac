#!/bin/sh
# Writes the embedded decoder as GGUF in several types, and a mixture of experts made of it, and
# compares next-token distributions and token ids with those of llama.cpp for the same file. Fails
# where a mean KL is 1e-3 or more.
#
# Usage: tools/check_llama_cpp.sh FOLDER/node_modules/node-llama-cpp [WINDOWS [ENCODER]]
#   FOLDER    where `npm install --ignore-scripts node-llama-cpp` was run
#   WINDOWS   of 256 tokens each; default 2
#   ENCODER   an encoder with a tokenizer, of which a Q8_0 GGUF must give llama.cpp's embeddings
set -eu

NODE_LLAMA_CPP=${1:?'usage: check_llama_cpp.sh FOLDER/node_modules/node-llama-cpp [WINDOWS [ENCODER]]'}
export NODE_LLAMA_CPP
windows=${2:-2}
encoder=${3:-}
root=$(CDPATH='' cd -P "$(dirname "$0")/.." && pwd)
embedded=$root/model/src/main/resources/ai/lathe/model/embedded
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() {
  OMP_WAIT_POLICY=passive "$("$root/lathe" --java-home)/bin/java" --add-modules jdk.incubator.vector \
    --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow \
    -cp "$root/cli/target/lathe.jar" "$@" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
}

dump() {
  run "$root/bench/src/main/java/ai/lathe/bench/LogitDump.java" "$@"
}

# check MODEL TYPE
check() {
  file=$work/$(basename "$1")-$2.gguf
  "$root/lathe" convert "$1" -o "$file" --type "$2" >/dev/null
  dump "$file" "$embedded/heldout.txt" 256 "$windows" "$work/$2"
  node "$root/tools/llama_distributions.mjs" "$file" "$work/$2.windows.json" "$work/$2.llama.bin" \
    2>"$work/log" || { cat "$work/log" >&2; exit 1; }
  node "$root/tools/compare_llama_cpp.mjs" "$file" "$work/$2" "$work/$2.llama.bin" || failed=1
}

failed=0
# F16 shows what llama.cpp's own arithmetic costs where nothing is quantized.
for type in F16 Q8_0 Q6_K Q4_K Q4_0; do
  check "$embedded" "$type"
done
run "$root/compress/src/test/java/ai/lathe/compress/UpcycledMixtral.java" "$work/mixtral"
for type in F16 Q8_0 Q4_K; do
  check "$work/mixtral" "$type"
done
if [ -n "$encoder" ]; then
  "$root/lathe" convert "$encoder" -o "$work/encoder.gguf" --type Q8_0 >/dev/null
  dump "$work/encoder.gguf" "$embedded/heldout.txt" 256 5 "$work/encoder"
  node "$root/tools/compare_llama_cpp.mjs" "$work/encoder.gguf" "$work/encoder" || failed=1
fi
exit $failed
