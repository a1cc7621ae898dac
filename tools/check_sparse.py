"""Opens sparse models that Lathe wrote with the Python package compressed-tensors and compares.

    pip download --no-deps compressed-tensors==0.10.2 && unzip compressed_tensors-0.10.2-*.whl -d old
    lathe compress MODEL -o sparse --prune wanda --sparsity 0.5 [--pattern 2:4]
    lathe convert sparse -o dense --type F16
    PYTHONPATH=old python tools/check_sparse.py sparse dense

The package's own compressor, chosen by the written sparsity_config, must give every weight of the
dense model bit for bit; compressed again by it, a weight without zeros among the kept must give the
stored tensors. Since version 0.15 the package has no such compressors.
"""

import json
import os
import sys

import compressed_tensors
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.config import SparsityCompressionConfig
from safetensors.torch import load_file


def tensors(directory):
    found = {}
    for name in sorted(os.listdir(directory)):
        if name.endswith(".safetensors"):
            found.update(load_file(os.path.join(directory, name)))
    return found


def main(sparse, dense):
    with open(os.path.join(sparse, "config.json")) as file:
        given = json.load(file)["quantization_config"]["sparsity_config"]
    config = SparsityCompressionConfig.load_from_registry(given["format"], **given)
    compressor = BaseCompressor.load_from_registry(config.format, config=config)
    stored, expected = tensors(sparse), tensors(dense)
    seen, sparse_ones, same = set(), 0, 0
    for name, value in compressor.decompress_from_state_dict(dict(stored)):
        assert value.dtype == expected[name].dtype and torch.equal(value, expected[name]), name
        seen.add(name)
        if name in stored:
            continue
        sparse_ones += 1
        again = compressor.compress({name: value})
        if all(torch.equal(tensor, stored[key]) for key, tensor in again.items()):
            same += 1
    assert seen == set(expected), seen ^ set(expected)
    print(f"compressed-tensors {compressed_tensors.__version__}, {config.format}: {sparse_ones} sparse"
          f" matrices and {len(seen) - sparse_ones} other tensors are the same bits;"
          f" {same} give the stored tensors when compressed again")


main(*sys.argv[1:])
