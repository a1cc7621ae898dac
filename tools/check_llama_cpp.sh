#!/bin/sh
# Writes the embedded decoder as GGUF in every type, and a mixture of experts made of it in some,
# quantized by GPTQ, and compares next-token distributions and token ids with those of llama.cpp for
# the same file. Fails where a mean KL is 1e-3 or more.
#
# Usage: tools/check_llama_cpp.sh FOLDER/node_modules/node-llama-cpp [WINDOWS [ENCODER]]
#   FOLDER    where `npm install --ignore-scripts node-llama-cpp` was run
#   WINDOWS   of 256 tokens each; default 2
#   ENCODER   an encoder with a tokenizer, of which a Q8_0 GGUF must give llama.cpp's embeddings
#
# TYPES holds the types to take instead of all.
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
  if [ "$2" = F16 ]; then
    "$root/lathe" convert "$1" -o "$file" --type F16 >/dev/null
  else
    "$root/lathe" compress "$1" -o "$file" --gguf "$2" --method gptq --samples 32 \
      --data "$embedded/calibration.txt" --eval-data "$work/short.txt" >/dev/null 2>"$work/log" ||
      { cat "$work/log" >&2; exit 1; }
  fi
  dump "$file" "$embedded/heldout.txt" 256 "$windows" "$work/$2"
  node "$root/tools/llama_distributions.mjs" "$file" "$work/$2.windows.json" "$work/$2.llama.bin" \
    2>"$work/log" || { cat "$work/log" >&2; exit 1; }
  node "$root/tools/compare_llama_cpp.mjs" "$file" "$work/$2" "$work/$2.llama.bin" || failed=1
}

failed=0
head -c 4000 "$embedded/heldout.txt" >"$work/short.txt"
# F16 shows what llama.cpp's own arithmetic costs where nothing is quantized.
for type in ${TYPES:-F16 Q8_0 Q6_K Q5_K Q5_1 Q5_0 Q4_K Q4_1 Q4_0 IQ4_NL NVFP4 MXFP4 Q3_K Q2_K}; do
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
