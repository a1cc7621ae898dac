"""Loads a compressed-tensors directory with transformers and compares next-token distributions.

    lathe compress MODEL -o DIRECTORY --scheme W4A16 --group-size 32
    LogitDump DIRECTORY TEXT 256 4 OUT          # the program of module bench
    python tools/check_transformers.py DIRECTORY OUT

Prints the largest difference of a logit, KL(Lathe || transformers), top-1 agreement and both
perplexities, and fails where the mean KL is 1e-3 or more. With 8-bit activations transformers
rounds them and Lathe's evaluation does not, so those figures differ by that rounding.

transformers cannot load asymmetric pack-quantized weights, whoever wrote them: the shape that
compressed-tensors 0.20.0 prepares for a packed zero point is the unpacked one. Here that shape is
put right before loading, and a line says so.
"""

import json
import math
import struct
import sys

import numpy
import torch
from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
from transformers import AutoModelForCausalLM


def prepare_packed_zero_points():
    compress = PackedQuantizationCompressor.compress.__func__

    def with_packed_zero_point(cls, state, scheme):
        compressed = compress(cls, state, scheme)
        zero = compressed.get("weight_zero_point")
        if zero is not None and zero.device.type == "meta" and not scheme.weights.symmetric:
            rows = math.ceil(zero.shape[0] * scheme.weights.num_bits / 32)
            compressed["weight_zero_point"] = torch.empty(
                (rows, *zero.shape[1:]), dtype=torch.int32, device="meta"
            )
        return compressed

    PackedQuantizationCompressor.compress = classmethod(with_packed_zero_point)


def asymmetric(directory):
    groups = json.load(open(f"{directory}/config.json"))["quantization_config"]["config_groups"]
    return any(not group["weights"]["symmetric"] for group in groups.values())


def perplexity(log_probabilities, windows):
    losses, from_row = [], 0
    for window in windows:
        rows = log_probabilities[from_row : from_row + len(window) - 1]
        losses.append(-rows.gather(1, torch.tensor(window[1:])[:, None]))
        from_row += len(window)
    return torch.cat(losses).mean().exp().item()


def main(directory, out):
    windows = json.load(open(out + ".windows.json"))
    data = open(out + ".bin", "rb").read()
    vocabulary, rows = struct.unpack("<ii", data[:8])
    ours = torch.from_numpy(numpy.frombuffer(data[8:], "<f4").reshape(rows, vocabulary).copy())
    if asymmetric(directory):
        prepare_packed_zero_points()
        print("the shape of packed zero points was put right for transformers")
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    with torch.no_grad():
        theirs = torch.cat([model(torch.tensor([window])).logits[0] for window in windows])
    p, q = ours.double().log_softmax(-1), theirs.double().log_softmax(-1)
    kl = (p.exp() * (p - q)).sum(-1)
    same = (p.argmax(-1) == q.argmax(-1)).double().mean()
    print(
        f"{directory}: {rows} positions, logits differ by at most {(ours - theirs).abs().max():.2g},"
        f" mean KL {kl.mean():.2e}, top-1 {100 * same:.2f} %,"
        f" perplexity {perplexity(p, windows):.4f}, transformers' {perplexity(q, windows):.4f}"
    )
    if not kl.mean() < 1e-3:
        sys.exit("FAILED")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: check_transformers.py DIRECTORY OUT")
    main(sys.argv[1], sys.argv[2])
