#!/bin/sh
# Builds llama-imatrix and llama-quantize from the sources that node-llama-cpp carries, on its own
# libraries, and lets them and Lathe exchange importance matrices:
#   - llama-quantize takes the one that `lathe imatrix` writes;
#   - Lathe takes llama-imatrix's, in both forms;
#   - on the same text the two agree in which inputs matter (correlation, by numpy and gguf).
#
# Usage: tools/check_imatrix.sh FOLDER/node_modules/node-llama-cpp MODEL TEXT
#   PYTHON   an interpreter with numpy and gguf; default python3
set -eu

package=${1:?'usage: check_imatrix.sh FOLDER/node_modules/node-llama-cpp MODEL TEXT'}
model=${2:?MODEL}
text=${3:?TEXT}
python=${PYTHON:-python3}
root=$(CDPATH='' cd -P "$(dirname "$0")/.." && pwd)
libraries=$(CDPATH='' cd -P "$package/../@node-llama-cpp/linux-x64/bins/linux-x64" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git clone -q "$package/llama/gitRelease.bundle" "$work/llama.cpp" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
build() {
  (cd "$work/llama.cpp" && g++ -O1 -std=c++17 -Iinclude -Iggml/include -Icommon -Ivendor -Isrc \
    "tools/$1"/*.cpp -o "$work/$1" "$libraries"/libllama-common.so "$libraries"/libllama.v*.so \
    "$libraries"/libggml.v*.so "$libraries"/libggml-base.so -Wl,-rpath,"$libraries")
}
build quantize
build imatrix
ln -s "$libraries"/*.so "$work"

"$root/lathe" convert "$model" -o "$work/model.gguf" --type F32 >/dev/null
"$root/lathe" imatrix "$model" --data "$text" -o "$work/ours.gguf" --samples 8 --seq-len 512
"$work/imatrix" -m "$work/model.gguf" -f "$text" -o "$work/theirs.gguf" -c 512 --chunks 8 --no-ppl >"$work/log" 2>&1
"$work/imatrix" -m "$work/model.gguf" -f "$text" -o "$work/theirs.dat" --output-format dat -c 512 --chunks 8 \
  --no-ppl >"$work/log" 2>&1
"$work/quantize" --imatrix "$work/ours.gguf" "$work/model.gguf" "$work/small.gguf" Q4_0 2>&1 |
  grep "importance matrix entries from"
for theirs in theirs.gguf theirs.dat; do
  "$root/lathe" convert "$model" -o "$work/small.gguf" --type Q4_0 --imatrix "$work/$theirs" --force 2>/dev/null
done
"$python" - "$work/ours.gguf" "$work/theirs.gguf" <<'PYTHON'
import sys
import gguf
import numpy

ours, theirs = ({t.name: t.data.ravel() for t in gguf.GGUFReader(path).tensors} for path in sys.argv[1:])
assert set(ours) == {name for name in theirs if not name.endswith(".in_sum")}, "other tensors"
means = lambda file, name: file[name] / file[name.replace("in_sum2", "counts")][0]
worst = min(
    (numpy.corrcoef(means(ours, name), means(theirs, name))[0, 1], name)
    for name in ours
    if name.endswith(".in_sum2")
)
print(f"{len(ours) // 2} matrices in both; least correlation of mean squares {worst[0]:.3f} ({worst[1]})")
PYTHON
