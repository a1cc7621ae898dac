"""Golden vectors of the GGUF block types: random blocks and what the `gguf` package decodes them to.

Usage, from the repository root, in an environment with numpy and gguf (0.19.0 was used):
    python tools/block_golden.py

Writes tensor/src/test/resources/blocks/TYPE.bin: the blocks, then their weights as little-endian float32.
"""

from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

BLOCKS = 4
# Byte positions of the float16 numbers of a block; everything else may be any bits.
HALVES = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q8_0": [0],
    "Q4_K": [0, 2],
    "Q6_K": [208],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q5_K": [0, 2],
    "IQ4_NL": [0],
    "MXFP4": [],
    "NVFP4": [],
}

directory = Path("tensor/src/test/resources/blocks")
directory.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(1)
for name, positions in HALVES.items():
    kind = GGMLQuantizationType[name]
    size, bytes_ = GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (BLOCKS, bytes_), dtype=np.uint8)
    for position in positions:
        scale = (random.standard_normal((BLOCKS, 1)) * 0.01).astype(np.float16)
        blocks[:, position : position + 2] = scale.view(np.uint8)
    if name == "MXFP4":  # any exponent from 0, the last of which only float32's subnormals hold
        blocks[:, 0] = [0, 1, 119, 250]
    weights = dequantize(blocks, kind).astype("<f4")
    assert weights.shape == (BLOCKS, size)
    (directory / f"{name}.bin").write_bytes(blocks.tobytes() + weights.tobytes())
