"""Writes format/src/test/resources/compressed/floats.{safetensors,json} with the Python package.

    python tools/golden_float_layers.py format/src/test/resources/compressed

Every case is a layer in a floating-point format as the package compresses it, and beside it
`original` (float32, what was rounded) and `decoded` (the package's own decompression). The JSON
holds the arguments of each case as the package prints them.
"""

import json
import os
import sys

import compressed_tensors
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.compressors.format import infer_module_format
from compressed_tensors.quantization import (
    QuantizationArgs,
    QuantizationScheme,
    preset_name_to_scheme,
)
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
from safetensors.torch import save_file


def tiles(weight, args):
    """Smallest and largest value of each tile, shaped as the package shapes its scales."""
    rows, columns = weight.shape
    if args.strategy == "tensor":
        return weight.min().reshape(1), weight.max().reshape(1)
    if args.strategy == "channel":
        return weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
    if args.strategy == "block":
        high, wide = args.block_structure
        padded = torch.nn.functional.pad(weight, (0, -columns % wide, 0, -rows % high))
        blocks = padded.unflatten(0, (-1, high)).unflatten(-1, (-1, wide))
        return blocks.amin((1, 3)), blocks.amax((1, 3))
    groups = weight.unflatten(-1, (-1, args.group_size))
    return groups.amin(-1), groups.amax(-1)


def case(scheme, rows, columns, dtype):
    weight = torch.randn(rows, columns) * 0.05
    weight[0, :64] *= 30  # a group that is much larger than the others
    weight[1, :32] = 0
    args = scheme.weights
    global_scale = generate_gparam(weight.min(), weight.max()) if args.strategy == "tensor_group" else None
    scale, zero = calculate_qparams(*tiles(weight, args), args, global_scale=global_scale)
    if args.scale_dtype is None:
        scale = scale.to(dtype)
    state = {"weight": weight, "weight_scale": scale, "weight_zero_point": zero}
    if global_scale is not None:
        state["weight_global_scale"] = global_scale
    inputs = scheme.input_activations
    if inputs is not None and inputs.dynamic == "local":
        state["input_global_scale"] = torch.tensor([37.5])
    if inputs is not None and inputs.dynamic is False:
        state["input_scale"] = torch.tensor([0.0625])
    format = infer_module_format(torch.nn.Linear, scheme)
    compressor = BaseCompressor.get_value_from_registry(format.value)
    compressed = compressor.compress(dict(state), scheme)
    result = dict(compressed)
    result["decoded"] = compressor.decompress(dict(compressed), scheme)["weight"]
    result["original"] = weight
    described = scheme.model_dump(mode="json")
    described["format"] = format.value
    return {k: v.contiguous() for k, v in result.items()}, described


def main(directory):
    torch.manual_seed(19)
    tensors, described = {}, {}

    def add(name, scheme, rows=7, columns=192, dtype=torch.float32):
        layer, described[name] = case(scheme, rows, columns, dtype)
        tensors.update({f"{name}.{key}": value for key, value in layer.items()})

    presets = ("FP8", "FP8_DYNAMIC", "MXFP4", "MXFP4A16", "MXFP4XFP8", "MXFP8", "MXFP8A16", "NVFP4", "NVFP4A16")
    for name in presets:
        add(name, preset_name_to_scheme(name, ["Linear"]))
    block = preset_name_to_scheme("FP8_BLOCK", ["Linear"])
    block.weights.block_structure = [16, 64]
    add("FP8_BLOCK", block, 40, 128)
    add("FP8_DYNAMIC_BF16", preset_name_to_scheme("FP8_DYNAMIC", ["Linear"]), dtype=torch.bfloat16)
    alone = QuantizationArgs(num_bits=8, type="float", strategy="channel")
    add("FP8_WEIGHTS", QuantizationScheme(targets=["Linear"], weights=alone), dtype=torch.bfloat16)
    groups = QuantizationArgs(num_bits=8, type="float", strategy="group", group_size=64)
    add("FP8_GROUPS", QuantizationScheme(targets=["Linear"], weights=groups))
    save_file(
        tensors,
        os.path.join(directory, "floats.safetensors"),
        {"compressed_tensors": compressed_tensors.__version__},
    )
    with open(os.path.join(directory, "floats.json"), "w") as file:
        json.dump(described, file, indent=1, sort_keys=True)
        file.write("\n")


main(sys.argv[1])
