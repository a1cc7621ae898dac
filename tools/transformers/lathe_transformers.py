"""Lets transformers load the factorized models that Lathe writes (docs/formats.md, lathe-product).

    import lathe_transformers
    model = AutoModelForCausalLM.from_pretrained(DIRECTORY)

config.json names the stored layers in its quantization_config:

    quant_method   "lathe"
    config_groups  groups of layers, by any name, the first that targets a layer counts: each has
                   targets ("Linear", a layer's name, or "re:" and a regular expression), format,
                   and weights; of "lathe-product" these have factors, the output's first, each
                   with a format of its own and, of codes, weights.num_bits
    ignore         layers that no group is for, by the same kinds of names

A layer whose file has no `weight` becomes one linear layer a factor, the input's first: a weight of
low rank is two of them. Sparse factors and codes are decoded to numbers when they are loaded;
blocks along an index run as such. Inputs that are to be rounded, and sums, are refused.
"""

import re

import torch
from safetensors import safe_open
from transformers.quantizers import HfQuantizer, register_quantization_config, register_quantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

TYPES = {
    "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I8": torch.int8, "U8": torch.uint8,
}  # fmt: skip


@register_quantization_config("lathe")
class LatheConfig(QuantizationConfigMixin):
    def __init__(self, config_groups=None, ignore=(), **rest):
        self.quant_method = "lathe"
        self.config_groups, self.ignore, self.rest = config_groups or {}, list(ignore or ()), rest

    def group(self, name):
        """What is told of a linear layer."""

        def meant(targets):
            return any(
                re.match(target[3:], name) if target.startswith("re:") else target in ("Linear", name)
                for target in targets
            )

        for group in self.config_groups.values():
            if meant(group["targets"]) and not meant(self.ignore):
                return group
        raise ValueError(f"the file has no {name}.weight, and no group of config.json is for {name}")


class Stored(torch.nn.Module):
    """Tensors under the names that they have in the file, until all of them are loaded."""

    def __init__(self, bias):
        super().__init__()
        self.register_parameter("bias", bias)

    def add(self, name, shape, dtype):
        head, _, rest = name.partition(".")
        if rest:
            if head not in self._modules:
                self.add_module(head, Stored(None))
            self._modules[head].add(rest, shape, dtype)
        else:
            self.register_buffer(head, torch.empty(shape, dtype=dtype, device="meta"))


class Modes(torch.nn.Module):
    """x[outer, column, inner] -> y[outer, row, inner], by a block for each place or for several."""

    def __init__(self, blocks, grid):
        super().__init__()
        self.outer, self.inner = grid.tolist()
        self.weight = torch.nn.Parameter(blocks, requires_grad=False)

    def forward(self, x):
        rows, columns = self.weight.shape[2:]
        blocks = self.weight.expand(self.outer, self.inner, rows, columns)
        x = x.reshape(*x.shape[:-1], self.outer, columns, self.inner)
        return torch.einsum("ptij,...pjt->...pit", blocks, x).flatten(-3)


def unpacked(words, bits, count):
    """Signed codes of the last dimension, least significant bits first, 2^(bits-1) taken away."""
    width = 8 * words.element_size()
    stream = (words[..., None].long() >> torch.arange(width)) & 1
    stream = stream.flatten(-2)[..., : count * bits].unflatten(-1, (count, bits))
    return (stream << torch.arange(bits)).sum(-1) - (1 << bits - 1)


def scaled(codes, layer):
    if hasattr(layer, "weight_g_idx"):
        raise ValueError("groups that are not consecutive are not read")
    scale = layer.weight_scale
    size = -(-codes.shape[1] // scale.shape[1])
    zero = getattr(layer, "weight_zero_point", None)
    if zero is not None and zero.dtype == torch.int32:
        raise ValueError("asymmetric codes are not read")
    scale = scale.repeat_interleave(size, 1)[:, : codes.shape[1]]
    return codes * scale.float()


def spread(values, mask, shape):
    """A bit for each weight, the first input the lowest."""
    bits = ((mask[..., None].long() >> torch.arange(8)) & 1).flatten(1)[:, : shape[1]].bool()
    return torch.zeros(shape, dtype=values.dtype).masked_scatter_(bits, values)


def decoded(layer, form):
    """A factor [out, in], or blocks along an index."""
    kind, bits = form["format"], (form.get("weights") or {}).get("num_bits")
    if form.get("input_activations"):
        raise ValueError("layers that round their inputs are not read")
    if kind == "dense":
        return layer.weight
    if hasattr(layer, "mode_blocks"):
        return Modes(layer.mode_blocks, layer.mode_grid)
    if kind in ("pack-quantized", "lathe-mode"):
        shape = layer.weight_shape.tolist()
        rows = scaled(unpacked(layer.weight_packed, bits, shape[1]), layer)
        if kind == "pack-quantized":
            return rows
        outer, inner, *of = layer.mode_grid.tolist()
        return Modes(rows.reshape(*of, -1, shape[1]), layer.mode_grid[:2])
    if kind == "sparse-bitmask":
        return spread(layer.compressed, layer.bitmask, layer.shape.tolist())
    if kind == "lathe-sparse" and bits and form["weights"]["sparsity_structure"] == "unstructured":
        shape = layer.weight_shape.tolist()
        kept = unpacked(layer.sparse_values, bits, layer.sparse_values.numel() * 8 // bits)
        return scaled(spread(kept, layer.sparse_mask, shape), layer)
    raise ValueError(f"format {kind} is not read")


def linear(factor, dtype, bias=None):
    if isinstance(factor, Modes):
        return factor.to(dtype)
    layer = torch.nn.Linear(factor.shape[1], factor.shape[0], bias is not None, device="meta")
    layer.weight, layer.bias = torch.nn.Parameter(factor.to(dtype), requires_grad=False), bias
    return layer


@register_quantizer("lathe")
class LatheQuantizer(HfQuantizer):
    is_trainable = False

    def is_serializable(self):
        return False

    def _process_model_before_weight_loading(self, model, checkpoint_files=None, **_):
        stored = {}
        for file in checkpoint_files:
            with safe_open(file, "pt") as tensors:
                for name in tensors.keys():
                    part = tensors.get_slice(name)
                    stored[name] = part.get_shape(), TYPES[part.get_dtype()]
        for name, module in list(model.named_modules()):
            names = [key for key in stored if key.startswith(name + ".") and key != name + ".bias"]
            if isinstance(module, torch.nn.Linear) and names and name + ".weight" not in stored:
                layer = Stored(module.bias)
                for key in names:
                    layer.add(key[len(name) + 1 :], *stored[key])
                model.set_submodule(name, layer)

    def _process_model_after_weight_loading(self, model, **_):
        for name, layer in list(model.named_modules()):
            # Factors that are stored so went with their layer.
            if isinstance(layer, Stored) and name in dict(model.named_modules()):
                form = self.quantization_config.group(name)
                model.set_submodule(name, self.layers(name, layer, form, model.dtype))
        return model

    def layers(self, name, layer, form, dtype):
        try:
            if form["format"] == "lathe-product":
                if any("owner" in factor for factor in form["weights"]["factors"]):
                    raise ValueError("dictionaries that layers share are not read")
                factors = [
                    decoded(getattr(layer, f"factor_{i}"), factor)
                    for i, factor in enumerate(form["weights"]["factors"])
                    if not hasattr(layer, "weight_u")
                ] or [layer.weight_u, layer.weight_v]
            else:
                factors = [decoded(layer, form)]
        except (AttributeError, ValueError) as e:
            raise ValueError(f"{name}: {e}") from e
        parts = [linear(factor, dtype) for factor in factors[:0:-1]]
        first = linear(factors[0], dtype, layer.bias)
        if layer.bias is not None and isinstance(first, Modes):
            raise ValueError(f"{name}: a bias behind blocks along an index is not read")
        return torch.nn.Sequential(*parts, first)
