#!/usr/bin/env python3
"""Writes ONNX Runtime's own int8 form of a model, to measure beside Lathe's.

    python3 -m venv venv && venv/bin/pip install onnxruntime onnx
    venv/bin/python tools/quantize_onnx.py model.onnx model-int8.onnx

Dynamic quantization: int8 weights with a scale for each column, uint8 inputs with a scale that is found when
the model runs. Only MatMul is quantized: ONNX Runtime's int8 gathering of embeddings would change nothing in speed.
"""
import sys

from onnxruntime.quantization import QuantType, quantize_dynamic

if len(sys.argv) != 3:
    sys.exit(__doc__)
quantize_dynamic(
    sys.argv[1],
    sys.argv[2],
    op_types_to_quantize=["MatMul"],
    per_channel=True,
    reduce_range=False,
    weight_type=QuantType.QInt8,
)
