"""Writes format/src/test/resources/compressed/sparse.safetensors with the Python package.

    pip download --no-deps compressed-tensors==0.10.2 && unzip compressed_tensors-0.10.2-*.whl -d old
    PYTHONPATH=old python tools/golden_sparse.py format/src/test/resources/compressed/sparse.safetensors

Since version 0.15 the package has no compressors of zeros. Every case is a layer as it compresses it,
and beside it `decoded`, as it comes back. sparsity_config.json is written beside: what its
configurations print.
"""

import json
import os
import sys

import compressed_tensors
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.config import BitmaskConfig, Sparse24BitMaskConfig
from safetensors.torch import save_file

TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
CONFIGS = {
    "sparse-bitmask": BitmaskConfig(targets=["Linear"], ignore=["lm_head"], global_sparsity=0.5),
    "sparse-24-bitmask": Sparse24BitMaskConfig(targets=["Linear"], ignore=["lm_head"], global_sparsity=0.5),
}


def zeros(format, weight):
    if format == "sparse-bitmask":
        weight[torch.rand(weight.shape) < 0.6] = 0
        weight[weight.shape[0] // 2] = 0
    else:
        order = torch.rand(weight.shape[0], weight.shape[1] // 4, 4).argsort(-1)
        weight[(order < 2).reshape(weight.shape)] = 0


def main(path):
    torch.manual_seed(11)
    tensors = {}
    shapes = {
        "sparse-bitmask": [(1, 1), (5, 13), (7, 64), (3, 100)],
        "sparse-24-bitmask": [(1, 4), (5, 16), (3, 20), (4, 136)],
    }
    for format, config in CONFIGS.items():
        compressor = BaseCompressor.load_from_registry(format, config=config)
        for name, dtype in TYPES.items():
            for rows, columns in shapes[format]:
                weight = torch.randn(rows, columns)
                zeros(format, weight)
                prefix = f"{format}.{name}.{rows}x{columns}"
                layer = compressor.compress({f"{prefix}.weight": weight.to(dtype)})
                (_, decoded), = compressor.decompress_from_state_dict(dict(layer))
                tensors.update(layer)
                tensors[f"{prefix}.decoded"] = decoded
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, {"compressed_tensors": compressed_tensors.__version__})
    configs = {format: config.model_dump() for format, config in CONFIGS.items()}
    with open(os.path.join(os.path.dirname(path), "sparsity_config.json"), "w") as file:
        json.dump(configs, file, indent=1, sort_keys=True)
        file.write("\n")


main(sys.argv[1])
