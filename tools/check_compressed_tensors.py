"""Opens a directory that Lathe wrote with the Python package compressed-tensors and compares.

    mvn -pl format -am test                     # leaves format/target/compressed-tensors
    python tools/check_compressed_tensors.py format/target/compressed-tensors

    python tools/check_compressed_tensors.py DIRECTORY DECODED

DECODED (default: DIRECTORY/decoded) holds Lathe's own decoded weights in float32, as safetensors
with the names `<module>.weight`. The package's weights must be the same bits as those rounded to
the type that the package computes in, which is the type of the scales. Also compressed again by
the package, every layer must give the stored tensors.
"""

import json
import os
import sys

import compressed_tensors
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import (
    QuantizationConfig,
    QuantizationStatus,
    apply_quantization_config,
)
from compressed_tensors.transform import TransformConfig, TransformFactory
from compressed_tensors.utils import is_match
from safetensors.torch import load_file


def load(directory):
    tensors = {}
    for name in sorted(os.listdir(directory)):
        if name.endswith(".safetensors"):
            tensors.update(load_file(os.path.join(directory, name)))
    index = os.path.join(directory, "model.safetensors.index.json")
    if os.path.exists(index):
        listed = json.load(open(index))
        assert set(listed["weight_map"]) == set(tensors), "the index lists other tensors"
        data = sum(t.numel() * t.element_size() for t in tensors.values())
        assert listed["metadata"]["total_size"] == data, "total_size is wrong"
    return tensors


def skeleton(decoded):
    """Modules of the right names and sizes without memory, for the package to match against."""
    root = torch.nn.Module()
    for key, weight in decoded.items():
        if not key.endswith(".weight") or weight.dim() != 2:
            continue
        at, parts = root, key.removesuffix(".weight").split(".")
        for part in parts[:-1]:
            if not hasattr(at, part):
                at.add_module(part, torch.nn.Module())
            at = getattr(at, part)
        rows, columns = weight.shape
        at.add_module(parts[-1], torch.nn.Linear(columns, rows, bias=False, device="meta"))
    return root


def rotated(rotations, name, module, weight):
    """W Hb by the package's own Hadamard transform of the layer's input; W where it has none."""
    for scheme in rotations:
        for args in scheme.apply:
            if args.location != "input" or not is_match(name, module, args.targets, args.ignore):
                continue
            factory = TransformFactory.from_scheme(scheme, name="rotation")
            transform = factory.create_transform(torch.nn.Linear(weight.shape[1], 1), args)
            return transform(weight)
    return weight


def main(directory, decoded_directory):
    stored = load(directory)
    decoded = load(decoded_directory)
    text = json.load(open(os.path.join(directory, "config.json")))["quantization_config"]
    transforms = TransformConfig.model_validate(text.pop("transform_config", {"config_groups": {}}))
    rotations = list(transforms.config_groups.values())
    config = QuantizationConfig.model_validate(text)
    # Quantized embeddings are no Linear; every other matrix is.
    model = skeleton({k: v for k, v in decoded.items() if "embed" not in k})
    config.quantization_status = QuantizationStatus.INITIALIZED
    apply_quantization_config(model, config)

    checked, failed = {}, 0
    for name, module in model.named_modules():
        scheme = getattr(module, "quantization_scheme", None)
        if scheme is None:
            continue
        prefix = name + "."
        layer = {
            key.removeprefix(prefix): value
            for key, value in stored.items()
            if key.startswith(prefix) and not key.endswith(".bias")
        }
        format = scheme.format or text["format"]
        compressor = BaseCompressor.get_value_from_registry(getattr(format, "value", format))
        theirs = compressor.decompress(dict(layer), scheme)
        weight = theirs["weight"]
        # Where the package rotates a layer's input, what is stored is the weight for that.
        plain = decoded[prefix + "weight"]
        turned = rotated(rotations, name, module, plain)
        if turned is not plain:
            # Rotated to and fro, ours is the same only as far as float32 goes and theirs is rounded.
            theirs_float = weight.float()
            bound = theirs_float.abs() * torch.finfo(weight.dtype).eps + 1e-5 * theirs_float.abs().max()
            turned = theirs_float if ((turned - theirs_float).abs() <= bound).all() else turned
        ours = turned.to(weight.dtype)
        same = torch.equal(weight, ours)
        # Decompressed values are rounded, and rounding back must find the stored codes again.
        zero = theirs.get("weight_zero_point")
        if zero is None:
            zero = torch.zeros(layer["weight_scale"].shape, dtype=torch.int8)
        scale = layer["weight_scale"]
        if scale.dtype == torch.uint8:
            scale = 2.0 ** (scale.float() - 127)
        elif scale.dtype == torch.float8_e4m3fn:
            scale = scale.float()
        exact = {
            "weight": turned,
            "weight_scale": scale,
            "weight_zero_point": zero,
        }
        exact |= {k: v for k, v in layer.items() if k == "weight_global_scale" or k.startswith("input_")}
        again = compressor.compress(exact, scheme)
        again = {k: v for k, v in again.items() if k in layer or k != "weight_zero_point"}
        same_again = set(again) == set(layer) and all(
            again[k].dtype == v.dtype and torch.equal(again[k], v) for k, v in layer.items()
        )
        w = scheme.weights
        kind = f"{getattr(format, 'value', format)} {w.type} {w.num_bits} bits {w.strategy} {'sym' if w.symmetric else 'asym'}"
        if scheme.input_activations:
            kind += f", inputs {scheme.input_activations.type} {scheme.input_activations.num_bits} bits {scheme.input_activations.strategy}"
        checked[kind] = checked.get(kind, 0) + 1
        if not (same and same_again):
            failed += 1
            print(f"DIFFERS: {name} ({kind}): decodes {same}, encodes {same_again}")
    for kind, count in sorted(checked.items()):
        print(f"{count:5d}  {kind}")
    left = [k for k in stored if ".weight_" in k and not hasattr(model.get_submodule(k.split(".weight_")[0]), "quantization_scheme")]
    print(f"{sum(checked.values())} layers with compressed-tensors {compressed_tensors.__version__}, {failed} differ")
    if failed or left or not checked:
        sys.exit(f"FAILED; compressed but not named by the configuration: {left[:3]}")


directory = sys.argv[1]
main(directory, sys.argv[2] if len(sys.argv) > 2 else os.path.join(directory, "decoded"))
