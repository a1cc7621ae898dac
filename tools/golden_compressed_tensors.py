"""Writes format/src/test/resources/compressed/*.safetensors with the Python package.

    python tools/golden_compressed_tensors.py format/src/test/resources/compressed/dense.safetensors

The same with a package of version 0.17 or earlier on PYTHONPATH gives padded.safetensors, the
layout of 3, 5, 6 and 7 bits before words were packed densely. The run for dense.safetensors
writes quantization_config.json beside it.

Every case is a layer as the package compresses it, and beside it what it means: `codes` and
`zeros` (int8) and `decoded` (the package's own decompression, in the type of the scales).
"""

import json
import os
import sys

import compressed_tensors
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import (
    QuantizationArgs,
    QuantizationConfig,
    QuantizationScheme,
    preset_name_to_scheme,
)
from compressed_tensors.quantization.lifecycle.forward import quantize
from safetensors.torch import save_file


def case(format, bits, symmetric, group, rows, columns, dtype):
    weights = QuantizationArgs(
        num_bits=bits,
        type="int",
        symmetric=symmetric,
        strategy="group" if group else "channel",
        group_size=group or None,
    )
    inputs = None
    if format == "int-quantized":
        inputs = QuantizationArgs(num_bits=8, type="int", symmetric=True, strategy="token", dynamic=True)
    scheme = QuantizationScheme(targets=["Linear"], weights=weights, input_activations=inputs)
    groups = columns // group if group else 1
    scale = (torch.rand(rows, groups) * 0.1 + 0.01).to(dtype)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1)
    zero = torch.zeros(rows, groups, dtype=torch.int8)
    if not symmetric:
        zero = torch.randint(low, high, (rows, groups)).to(torch.int8)
    # Every code occurs; what is quantized is exactly on the grid.
    codes = torch.randint(low, high, (rows, columns))
    width = columns // groups
    weight = (codes - zero.repeat_interleave(width, 1)) * scale.float().repeat_interleave(width, 1)
    state = {"weight": weight, "weight_scale": scale, "weight_zero_point": zero}
    compressor = BaseCompressor.get_value_from_registry(format)
    compressed = compressor.compress(dict(state), scheme)
    decoded = compressor.decompress(dict(compressed), scheme)["weight"]
    result = dict(compressed)
    result["codes"] = quantize(weight, scale, zero, weights, dtype=torch.int8)
    result["zeros"] = zero.clone()
    result["decoded"] = decoded
    return {k: v.contiguous() for k, v in result.items()}


def write_config(path):
    """A configuration of three groups as the package prints it."""
    asymmetric = preset_name_to_scheme("W4A16_ASYM", [r"re:model\.layers\.\d+\.mlp\.(gate|up)_proj"])
    asymmetric.weights.actorder = "static"
    asymmetric.format = "pack-quantized"
    int8 = preset_name_to_scheme("W8A8", ["Linear"])
    int8.format = "int-quantized"
    three = preset_name_to_scheme("W3A16", ["model.layers.0.self_attn.q_proj"])
    three.format = "pack-quantized"
    config = QuantizationConfig(
        config_groups={"group_0": int8, "group_1": asymmetric, "group_2": three},
        ignore=["lm_head", "re:.*layers\\.1\\."],
        format="mixed-precision",
        quantization_status="compressed",
    )
    dump = config.model_dump(mode="json")
    dump["version"] = compressed_tensors.__version__
    with open(path, "w") as file:
        json.dump({"quantization_config": dump}, file, indent=1, sort_keys=True)
        file.write("\n")


def main(path):
    torch.manual_seed(7)
    tensors = {}

    def add(name, layer):
        tensors.update({f"{name}.{key}": value for key, value in layer.items()})

    for bits in range(2, 9):
        for symmetric in (True, False):
            for group in (0, 32):
                name = f"pack-quantized.{bits}.{'sym' if symmetric else 'asym'}.{group}"
                dtype = torch.float16 if bits % 2 else torch.bfloat16
                add(name, case("pack-quantized", bits, symmetric, group, 11, 64, dtype))
            # 20 columns of 3 bits and 12 of 5 take the same words in both layouts.
        if bits in (3, 5, 6, 7):
            columns = {3: 20, 5: 12, 6: 10, 7: 8}[bits]
            add(f"ambiguous.{bits}", case("pack-quantized", bits, True, 0, 3, columns, torch.float16))
    for symmetric in (True, False):
        name = f"int-quantized.8.{'sym' if symmetric else 'asym'}.0"
        add(name, case("int-quantized", 8, symmetric, 0, 5, 48, torch.bfloat16))
    if os.path.basename(path) == "dense.safetensors":
        write_config(os.path.join(os.path.dirname(path), "quantization_config.json"))
    save_file(tensors, path, {"compressed_tensors": compressed_tensors.__version__})


main(sys.argv[1])
