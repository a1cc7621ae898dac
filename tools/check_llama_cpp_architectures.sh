#!/bin/sh
# Tiny random models of every architecture that llama.cpp has too, written as GGUF, and their next-token
# distributions compared with those of llama.cpp for the same file. Fails where a mean KL is 1e-3 or more.
#
# Usage: tools/check_llama_cpp_architectures.sh FOLDER/node_modules/node-llama-cpp PYTHON [MODEL.gguf ...]
#   FOLDER    where `npm install --ignore-scripts node-llama-cpp` was run
#   PYTHON    with torch and transformers
#   MODEL     further files to compare, of any size
set -eu

NODE_LLAMA_CPP=${1:?'usage: check_llama_cpp_architectures.sh FOLDER/node_modules/node-llama-cpp PYTHON [MODEL.gguf ...]'}
export NODE_LLAMA_CPP
python=${2:?'name a python with torch and transformers'}
shift 2
root=$(CDPATH='' cd -P "$(dirname "$0")/.." && pwd)
text=$root/model/src/main/resources/ai/lathe/model/embedded/heldout.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compare() {
  OMP_WAIT_POLICY=passive "$("$root/lathe" --java-home)/bin/java" --add-modules jdk.incubator.vector \
    --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow \
    -cp "$root/cli/target/lathe.jar" "$root/bench/src/main/java/ai/lathe/bench/LogitDump.java" \
    "$1" "$text" 100 1 "$work/out" 2>"$work/log" || { cat "$work/log" >&2; return 1; }
  node "$root/tools/llama_distributions.mjs" "$1" "$work/out.windows.json" "$work/out.llama.bin" \
    2>"$work/log" || { cat "$work/log" >&2; return 1; }
  node "$root/tools/compare_llama_cpp.mjs" "$1" "$work/out" "$work/out.llama.bin"
}

failed=0
for file in "$@"; do
  compare "$file" || failed=1
done
(cd "$root" && "$python" tools/tiny_models.py "$work/models" >"$work/log" 2>&1) || { cat "$work/log" >&2; exit 1; }
for model in "$work"/models/*; do
  file=$work/$(basename "$model").gguf
  "$root/lathe" convert "$model" -o "$file" --type F32 >/dev/null || { failed=1; continue; }
  compare "$file" || failed=1
done
exit $failed
