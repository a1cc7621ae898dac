#!/usr/bin/env python3
"""Opens a GPTQ or AWQ directory with the packages that these formats come from.

    check_gptq_awq.py DIRECTORY DECODED

DIRECTORY was written by `lathe compress --format gptq|gptq_v2|awq`, DECODED by
`lathe convert DIRECTORY -o DECODED --type F32`. Every quantized layer is decoded by GPTQModel's or
AutoAWQ's own code and compared with DECODED value by value, then packed by the package again and
compared with DIRECTORY byte by byte. Needs torch, safetensors, and gptqmodel or autoawq.
"""
import json
import pathlib
import re
import sys

import torch
from safetensors import safe_open


def tensors(directory):
    found = {}
    for file in sorted(pathlib.Path(directory).glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            for name in opened.keys():
                found[name] = opened.get_tensor(name)
    return found


def scheme_of(config, layer):
    """Bits and group size, exceptions included."""
    bits, size = config["bits"], config["group_size"]
    for pattern, own in config.get("dynamic", {}).items():
        if re.match(pattern[2:], layer):
            return own.get("bits", bits), own.get("group_size", size)
    return bits, size


def gptq(config, layer, stored):
    from gptqmodel.nn_modules.qlinear.torch import TorchLinear
    from gptqmodel.utils.model_dequant import (
        _correct_gptq_v1_qzeros, _revert_gptq_v1_qzeros_correction)

    bits, size = scheme_of(config, layer)
    rows = stored["scales"].shape[1]
    columns = stored["g_idx"].shape[0]
    linear = TorchLinear(
        bits=bits, group_size=size, sym=config["sym"], desc_act=config["desc_act"],
        in_features=columns, out_features=rows, bias=False, pack_dtype=torch.int32,
        register_buffers=True)
    first = config["checkpoint_format"] == "gptq"
    zeros = _correct_gptq_v1_qzeros(stored["qzeros"], bits) if first else stored["qzeros"]
    linear.qweight, linear.qzeros = stored["qweight"], zeros
    linear.scales, linear.g_idx = stored["scales"], stored["g_idx"]
    linear.post_init()
    linear.scales = stored["scales"].float()
    weight = linear.dequantize_weight().T.contiguous().float()

    dense = torch.nn.Linear(columns, rows, bias=False)
    dense.weight.data = weight
    unpacked = torch.stack(
        [zeros >> shift & (1 << bits) - 1 for shift in range(0, 32, bits)], -1) if bits != 3 else None
    again = {}
    if unpacked is not None:
        linear.pack_original(
            dense, stored["scales"].T.float(), unpacked.reshape(zeros.shape[0], -1).T.float(),
            stored["g_idx"])
        again["qweight"] = linear.qweight
        again["qzeros"] = (
            _revert_gptq_v1_qzeros_correction(linear.qzeros, bits) if first else linear.qzeros)
    return weight, again


def awq(config, layer, stored):
    from awq.modules.linear.gemm import WQLinear_GEMM
    from awq.utils.packing_utils import dequantize_gemm, reverse_awq_order, unpack_awq

    columns, rows = stored["qweight"].shape[0], stored["scales"].shape[1]
    size = config["group_size"] if config["group_size"] != -1 else columns
    weight = dequantize_gemm(
        stored["qweight"], stored["qzeros"], stored["scales"].float(), 4, size)
    weight = weight.T.contiguous()
    _, zeros = reverse_awq_order(*unpack_awq(stored["qweight"], stored["qzeros"], 4), 4)
    dense = torch.nn.Linear(columns, rows, bias=False)
    dense.weight.data = weight
    packed = WQLinear_GEMM.from_linear(
        dense, 4, size, scales=stored["scales"].float(), zeros=(zeros & 15).float())
    return weight, {"qweight": packed.qweight, "qzeros": packed.qzeros}


def main(directory, decoded):
    config = json.loads((pathlib.Path(directory) / "config.json").read_text())
    config = config["quantization_config"]
    ours, plain = tensors(directory), tensors(decoded)
    layers = [name[: -len(".qweight")] for name in ours if name.endswith(".qweight")]
    differ = repacked = 0
    for layer in layers:
        stored = {
            part: ours[f"{layer}.{part}"]
            for part in ("qweight", "qzeros", "scales", "g_idx") if f"{layer}.{part}" in ours}
        weight, again = (gptq if config["quant_method"] == "gptq" else awq)(config, layer, stored)
        if not torch.equal(weight, plain[f"{layer}.weight"]):
            differ += 1
            print("differs:", layer, (weight - plain[f"{layer}.weight"]).abs().max().item())
        for part, packed in again.items():
            repacked += 1
            if not torch.equal(packed, stored[part]):
                differ += 1
                print("packs otherwise:", layer, part)
    print(f"{len(layers)} layers, {repacked} tensors packed again, {differ} differ")
    return differ > 0 or not layers


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
