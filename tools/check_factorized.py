"""Loads a factorized directory with transformers, through tools/transformers, and compares logits.

    lathe compress MODEL -o DIRECTORY --factorize svd-llm --remove 0.3 --data TEXT
    tools/bench LogitDump DIRECTORY TEXT 256 4 OUT
    python tools/check_factorized.py DIRECTORY OUT

Prints how many linear layers became products, the largest difference of a logit and top-1
agreement, and fails where a logit differs by 1e-3 or more: both compute in float32 from the same
stored numbers.
"""

import json
import os
import struct
import sys

import numpy
import torch
from transformers import AutoModelForCausalLM

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "transformers"))
import lathe_transformers  # noqa: E402, F401


def main(directory, out):
    windows = json.load(open(out + ".windows.json"))
    data = open(out + ".bin", "rb").read()
    vocabulary, rows = struct.unpack("<ii", data[:8])
    ours = torch.from_numpy(numpy.frombuffer(data[8:], "<f4").reshape(rows, vocabulary).copy())
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    products = [m for m in model.modules() if isinstance(m, torch.nn.Sequential) and len(m) > 1]
    kinds = sorted({" * ".join(type(layer).__name__ for layer in product[::-1]) for product in products})
    with torch.no_grad():
        theirs = torch.cat([model(torch.tensor([window])).logits[0] for window in windows])
    most = (ours - theirs).abs().max().item()
    same = (ours.argmax(-1) == theirs.argmax(-1)).double().mean()
    print(
        f"{directory}: {len(products)} layers are products, {', '.join(kinds) or 'none'}; {rows} positions,"
        f" logits differ by at most {most:.2g} of {ours.abs().max():.3g}, top-1 {100 * same:.2f} %"
    )
    if not products or not most < 1e-3:
        sys.exit("FAILED")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: check_factorized.py DIRECTORY OUT")
    main(*sys.argv[1:])
